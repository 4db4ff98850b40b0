/** Loads the compiled app named by package.json `main`, the way the Node worker does: file or glob, CommonJS or ES. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isJsonObject, parseJson, stringField } from './json.ts';

/** Loads every file that `main` names, in order. Throws with a reason that says what is missing. */
export async function loadAppEntry(appFolder: string): Promise<void> {
  const packageFile = join(appFolder, 'package.json');
  if (!existsSync(packageFile)) throw new Error(`There is no package.json in the app folder.`);
  const manifest = parseJson(readFileSync(packageFile, 'utf8'));
  if (!isJsonObject(manifest)) throw new Error(`The app's package.json is not a JSON object.`);
  const main = stringField(manifest, 'main');
  if (main === undefined) throw new Error(`The app's package.json names no "main" file.`);
  const files = entryFiles(appFolder, main);
  if (files.length === 0) throw new Error(`No file matches "main" (${main}) of the app's package.json: build the app.`);
  const isModulePackage = stringField(manifest, 'type') === 'module';
  for (const file of files) {
    if (file.endsWith('.mjs') || (isModulePackage && !file.endsWith('.cjs'))) {
      await import(pathToFileURL(file).href);
    } else {
      createRequire(packageFile)(file);
    }
  }
}

function entryFiles(appFolder: string, main: string): string[] {
  const plain = resolve(appFolder, main);
  for (const candidate of [plain, `${plain}.js`]) {
    if (existsSync(candidate)) return [candidate];
  }
  return globSync(main, { cwd: appFolder })
    .toSorted()
    .map((file) => resolve(appFolder, file));
}
