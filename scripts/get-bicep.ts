/**
 * Fetches the Bicep compiler (a NuGet package) into a cache folder outside of git and prints its path. Without `dotnet`
 * or network it says so and ends well: tests that need the compiler then skip by name.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.49.2';
const RUNTIMES: Readonly<Record<string, string>> = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'darwin-x64': 'osx-x64',
  'darwin-arm64': 'osx-arm64',
  'win32-x64': 'win-x64',
};
const folder = fileURLToPath(new URL('../node_modules/.cache/bicep', import.meta.url));
const packageName = `Azure.Bicep.CommandLine.${RUNTIMES[`${process.platform}-${process.arch}`] ?? 'linux-x64'}`;

/** Where the compiler is once it is fetched. */
export const bicepPath = join(
  folder,
  'packages',
  packageName.toLowerCase(),
  VERSION,
  'tools',
  process.platform === 'win32' ? 'bicep.exe' : 'bicep',
);

/** Fetches the compiler unless it is there; false when that is not possible here. */
function fetchBicep(): boolean {
  if (existsSync(bicepPath)) return true;
  mkdirSync(folder, { recursive: true });
  const project = join(folder, 'bicep.csproj');
  writeFileSync(
    project,
    `<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net8.0</TargetFramework></PropertyGroup><ItemGroup><PackageDownload Include="${packageName}" Version="[${VERSION}]"/></ItemGroup></Project>\n`,
  );
  // Output stays unread: it names registries.
  spawnSync('dotnet', ['restore', project, '--packages', join(folder, 'packages')], {
    stdio: 'ignore',
    timeout: 300_000,
  });
  if (!existsSync(bicepPath)) return false;
  chmodSync(bicepPath, 0o755);
  return true;
}

if (import.meta.main) {
  process.stdout.write(
    fetchBicep()
      ? 'The Bicep compiler is there.\n'
      : 'The Bicep compiler could not be fetched: checks of infra/ that need it will be skipped.\n',
  );
}
