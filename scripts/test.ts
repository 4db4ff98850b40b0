/** `npm test`: format, lint, types, build, then every test; ends with the line `N passed, N failed`. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const bin = (name: string): string => join(root, 'node_modules', '.bin', name);

function run(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0;
}

interface VitestSummary {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

function runTests(extra: readonly string[]): { readonly passed: number; readonly failed: number } {
  const folder = mkdtempSync(join(tmpdir(), 'delta-cosmos-test-'));
  try {
    const report = join(folder, 'report.json');
    run(bin('vitest'), ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...extra]);
    const summary = JSON.parse(readFileSync(report, 'utf8')) as VitestSummary;
    // A file that fails to load has no failed test of its own, yet nothing in it ran.
    const failed = summary.success ? 0 : Math.max(1, summary.numFailedTests);
    return { passed: summary.numPassedTests, failed };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

let passed = 0;
let failed = 0;
for (const [name, ok] of [
  ['format', run(bin('oxfmt'), ['--check'])],
  ['lint', run(bin('oxlint'), ['--type-aware'])],
  ['types', run(bin('tsc'), ['--noEmit'])],
  ['build', run(process.execPath, ['scripts/build.ts'])],
] as const) {
  if (ok) passed++;
  else {
    failed++;
    process.stdout.write(`check failed: ${name}\n`);
  }
}
const tests = runTests(process.argv.slice(2));
passed += tests.passed;
failed += tests.failed;
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
