/** A real Azurite blob service on a free port, in memory, for contract tests. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { BlobServiceClient } from '@azure/storage-blob';

const ACCOUNT = 'devstoreaccount1';
// The key that every Azurite is published with.
const KEY = 'Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==';

/** A running Azurite. */
export interface Azurite {
  readonly connectionString: string;
  /** `http://127.0.0.1:<port>/devstoreaccount1` */
  readonly endpoint: string;
  readonly service: BlobServiceClient;
  stop(): Promise<void>;
}

/** Starts one; ends with `stop`, or with this process. */
export async function startAzurite(): Promise<Azurite> {
  const entry = createRequire(import.meta.url).resolve('azurite/dist/src/blob/main.js');
  const argv = [
    '--inMemoryPersistence',
    '--blobHost',
    '127.0.0.1',
    '--blobPort',
    '0',
    '--skipApiVersionCheck',
    '--loose',
  ];
  const child = spawn(process.execPath, [entry, ...argv, '--disableTelemetry'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const killAtExit = (): void => void child.kill();
  process.once('exit', killAtExit);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const port = await new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Azurite ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /successfully listens on https?:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
  });
  const endpoint = `http://127.0.0.1:${port}/${ACCOUNT}`;
  const connectionString = `DefaultEndpointsProtocol=http;AccountName=${ACCOUNT};AccountKey=${KEY};BlobEndpoint=${endpoint}`;
  return {
    connectionString,
    endpoint,
    service: BlobServiceClient.fromConnectionString(connectionString),
    async stop() {
      process.removeListener('exit', killAtExit);
      child.kill();
      await ended;
    },
  };
}
