/** Licences of the packages in a bundle, from what esbuild says it is made of. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Packages whose description leaves the licence out: what the project says of itself. */
const STATED_ELSEWHERE: Readonly<Record<string, string>> = { semaphore: 'MIT' };

/** The text to ship beside a bundle made of `inputs` (paths from `root`). Throws when a package states no licence. */
export function bundledLicenses(root: string, inputs: readonly string[]): string {
  const folders = new Set<string>();
  for (const input of inputs) {
    const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match?.[1] !== undefined) folders.add(match[1]);
  }
  const parts = [...folders].toSorted().map((folder) => {
    const described = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as {
      readonly name?: string;
      readonly version?: string;
      readonly license?: string;
      /** The form of older packages. */
      readonly licenses?: readonly { readonly type: string }[];
    };
    const { name, version } = described;
    const license =
      described.license ?? described.licenses?.map(({ type }) => type).join(' or ') ?? STATED_ELSEWHERE[name ?? ''];
    if (name === undefined || license === undefined) throw new Error(`${folder} states no licence.`);
    const files = readdirSync(join(root, folder)).filter((file) => /^(licen[cs]e|notice|thirdpartynotice)/i.test(file));
    const texts = files
      .map((file) => join(root, folder, file))
      .filter((file) => existsSync(file))
      .map((file) => readFileSync(file, 'utf8').trim());
    return [`${name} ${version ?? ''} (${license})`, ...texts].join('\n\n');
  });
  return `${parts.join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
}
