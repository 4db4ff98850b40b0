/** Workflow files and azure.yaml, read as YAML: pins, permissions, variables, and what azd would upload. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.github', 'workflows');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly name?: string;
  readonly with?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

interface Job {
  readonly if?: string;
  readonly environment?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly 'timeout-minutes'?: number;
  readonly steps: readonly Step[];
}

interface Workflow {
  readonly on: Readonly<Record<string, unknown>>;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
const workflow = (name: string): Workflow => parse(readFileSync(join(folder, name), 'utf8')) as Workflow;

describe.each(names)('workflow %s', (name) => {
  const { on, permissions, jobs } = workflow(name);

  it('pins every action by commit, with the version beside it', () => {
    const text = readFileSync(join(folder, name), 'utf8');
    const uses = Object.values(jobs).flatMap(({ steps }) => steps.flatMap((step) => step.uses ?? []));
    expect(uses.length).toBeGreaterThan(0);
    for (const each of uses) {
      expect(each).toMatch(/^[\w.-]+\/[\w.-]+@[0-9a-f]{40}$/);
      expect(text).toMatch(new RegExp(`${each} # v\\d+\\.\\d+\\.\\d+\n`));
    }
  });

  it('may do nothing by default, and each job only what it needs', () => {
    expect(permissions).toEqual({});
    for (const job of Object.values(jobs)) {
      const signsIn = job.steps.some(({ run }) => run === '.github/workflows/sign-in.sh');
      expect(job.permissions).toEqual({ contents: 'read', ...(signsIn ? { 'id-token': 'write' } : {}) });
      expect(job['timeout-minutes']).toBeGreaterThan(0);
      for (const { uses, with: inputs } of job.steps)
        if (uses?.startsWith('actions/checkout@') === true)
          expect(inputs).toMatchObject({ 'persist-credentials': false });
    }
  });

  it('never runs on behalf of forks with rights, and no script is put together from expressions', () => {
    expect(Object.keys(on)).not.toContain('pull_request_target');
    for (const { steps } of Object.values(jobs)) for (const { run } of steps) expect(run ?? '').not.toContain('${{');
    expect(JSON.stringify(jobs)).not.toContain('secrets.');
  });
});

describe('deployment', () => {
  const { jobs, env } = workflow('deploy.yml');

  it('pull requests of this repository see what would change, and change nothing', () => {
    const { if: condition, steps } = jobs['what-if'] ?? { steps: [] };
    expect(condition).toContain("github.event_name == 'pull_request'");
    expect(condition).toContain('github.event.pull_request.head.repo.full_name == github.repository');
    const commands = steps.flatMap(({ run }) => run ?? []).join('\n');
    expect(commands).toContain('az deployment sub what-if');
    expect(commands).not.toMatch(/deployment sub create|config-zip|publish/);
  });

  it('code goes out after the infrastructure, from an environment that can ask for approval', () => {
    const { if: condition, environment, steps } = jobs['deploy'] ?? { steps: [] };
    expect(condition).toBe("github.event_name == 'push'");
    expect(environment).toBe('production');
    const commands = steps.flatMap(({ run }) => run ?? []).join('\n');
    const order = ['npm ci', 'npm run package', 'az deployment sub create', 'config-zip'];
    const places = order.map((command) => commands.indexOf(command));
    expect(places.every((place) => place >= 0)).toBe(true);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });

  it('passes on every variable that the parameters read, and no other', () => {
    const text = readFileSync(join(root, 'infra', 'main.bicepparam'), 'utf8');
    const read = [...text.matchAll(/readEnvironmentVariable\('(\w+)'/g)].map((match) => match[1] ?? '');
    expect(Object.keys(env ?? {}).toSorted()).toEqual(read.toSorted());
    // Where it was not set, it arrives as an empty text: the parameters take that for unset (compiled.test.ts).
    for (const [name, value] of Object.entries(env ?? {}))
      expect(value).toMatch(new RegExp(`^\\$\\{\\{ vars\\.${name}( \\|\\| '\\S+')? \\}\\}$`));
    // What a command of the workflow itself uses cannot be empty.
    const commands = Object.values(jobs).flatMap(({ steps }) => steps.flatMap(({ run }) => run ?? []));
    const used = new Set(commands.flatMap((run) => [...run.matchAll(/\$([A-Z_]+)/g)].map((match) => match[1] ?? '')));
    for (const name of used) if (env !== undefined && name in env) expect(env[name], name).toContain(' || ');
  });

  it('signs in with the token of the job, and never prints it', () => {
    const script = readFileSync(join(folder, 'sign-in.sh'), 'utf8');
    expect(script).toMatch(/^#!\/usr\/bin\/env bash\n/);
    expect(script).toContain('set -euo pipefail');
    expect(script).not.toMatch(/\becho\b|set -x/);
    expect(spawnSync('bash', ['-n', join(folder, 'sign-in.sh')]).status).toBe(0);
  });
});

interface Service {
  readonly project: string;
  readonly language: string;
  readonly host: string;
  readonly dist: string;
  readonly remoteBuild: boolean;
  readonly hooks: { readonly prepackage: Readonly<Record<string, { readonly run: string }>> };
}

describe('azure.yaml', () => {
  const azd = parse(readFileSync(join(root, 'azure.yaml'), 'utf8')) as {
    readonly infra: Readonly<Record<string, string>>;
    readonly services: Readonly<Record<string, Service>>;
  };
  const service = azd.services['sync'];

  it('names the service as the tag of the app does, and the entry point of infra/', () => {
    expect(azd.infra).toEqual({ provider: 'bicep', path: 'infra', module: 'main' });
    expect(Object.keys(azd.services)).toEqual(['sync']);
    const module = readFileSync(join(root, 'infra/modules/function-app.bicep'), 'utf8');
    expect(module).toContain("'azd-service-name': 'sync'");
  });

  it('uploads what npm run package writes, with the backend of the environment', () => {
    expect(service).toMatchObject({ project: '.', language: 'ts', host: 'function', dist: 'build/package' });
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    expect(scripts).toHaveProperty('package');
    expect(scripts).toHaveProperty('build');
    for (const { run } of Object.values(service?.hooks.prepackage ?? {}))
      expect(run).toMatch(/^npm run package -- --backend .*DURABLE_BACKEND.*durableTaskScheduler/);
  });

  /**
   * azd stops when remoteBuild is false and .funcignore excludes the folder node_modules (cli/azd/pkg/project/
   * service_target_functionapp.go, and its documentation "function-app-deployments"): it judges the folder, not what is in it.
   */
  it('builds nothing in Azure, and .funcignore does not contradict it', () => {
    expect(service?.remoteBuild).toBe(false);
    const scratch = mkdtempSync(join(tmpdir(), 'delta-cosmos-ignore-'));
    try {
      spawnSync('git', ['init', '--quiet', scratch]);
      writeFileSync(join(scratch, '.gitignore'), readFileSync(join(root, '.funcignore')));
      mkdirSync(join(scratch, 'node_modules', 'zod'), { recursive: true });
      writeFileSync(join(scratch, 'node_modules', 'zod', 'index.js'), '');
      const ignored = (path: string): boolean =>
        spawnSync('git', ['check-ignore', '--quiet', path], { cwd: scratch }).status === 0;
      expect(ignored('node_modules')).toBe(false);
      expect(ignored('node_modules/zod')).toBe(true);
      expect(ignored('node_modules/zod/index.js')).toBe(true);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });
});
