/** Azurite (queues and blobs) as a child process with free ports and nothing on disk that stays. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';

export interface Azurite {
  readonly connectionString: string;
  close(): Promise<void>;
}

const ACCOUNT = 'devstoreaccount1';
// The emulator's published key, the same on every machine.
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** Starts Azurite and waits for both services. */
export async function startAzurite(): Promise<Azurite> {
  const program = createRequire(import.meta.url).resolve('azurite/dist/src/azurite.js');
  const ports = ['--blobPort', '0', '--queuePort', '0', '--tablePort', '0'];
  const child = spawn(
    process.execPath,
    [program, '--inMemoryPersistence', '--skipApiVersionCheck', '--disableTelemetry', ...ports],
    { cwd: tmpdir(), stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
  });
  const urls = await new Promise<{ blob: string; queue: string }>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (part: string) => {
      text += part;
      const blob = /Blob service is successfully listening at (\S+)/.exec(text)?.[1];
      const queue = /Queue service is successfully listening at (\S+)/.exec(text)?.[1];
      if (blob !== undefined && queue !== undefined) resolve({ blob, queue });
    });
    void exited.then(() => reject(new Error(`Azurite ended: ${text}`)));
  });
  return {
    connectionString:
      `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};` +
      `BlobEndpoint=${urls.blob}/${ACCOUNT};QueueEndpoint=${urls.queue}/${ACCOUNT};`,
    close: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
