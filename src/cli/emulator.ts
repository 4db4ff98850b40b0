/** `delta-cosmos emulator`: the Cosmos DB emulator alone, for other programs on this machine. */
import { startCosmosEmulator } from '../local/cosmos-emulator/emulator.ts';
import { integerFlag, parseArguments } from './arguments.ts';
import type { Command } from './command.ts';

const USAGE = `delta-cosmos emulator [--port N] [--https] [--partitions N] [--ru N] [--data DIR] [--key KEY] [--any-token]
                              [--no-throttling]

Runs a Cosmos DB emulator on this machine until Ctrl-C. Prints one JSON object when it is ready: endpoint, key and, with
--https, the certificate that clients must trust.

  --port N        port (default: 8081; 0: any free one)
  --https         TLS with a certificate of its own
  --partitions N  physical partitions of a new container (default: one for each 6,000 RU/s)
  --ru N          RU/s of a container that is created without any (default: no limit)
  --data DIR      keeps everything in this folder (default: in memory)
  --key KEY       account key, base64 (default: the well-known key of Cosmos DB emulators)
  --any-token     accepts any Entra token as well as the key
  --no-throttling counts RU and never answers 429
`;

const FLAGS = {
  port: { type: 'string' },
  https: { type: 'boolean' },
  partitions: { type: 'string' },
  ru: { type: 'string' },
  data: { type: 'string' },
  key: { type: 'string' },
  'any-token': { type: 'boolean' },
  'no-throttling': { type: 'boolean' },
} as const;

/** Where Cosmos DB emulators usually listen. */
const USUAL_PORT = '8081';

/** The command. */
export const emulatorCommand: Command = {
  name: 'emulator',
  summary: 'run the Cosmos DB emulator alone',
  usage: USAGE,
  async run(argv, io) {
    const { values } = parseArguments(argv, FLAGS, 0);
    const emulator = await startCosmosEmulator({
      port: integerFlag('port', values.port ?? USUAL_PORT, 0, 65_535),
      https: values.https === true,
      auth: { entra: values['any-token'] === true ? 'anyToken' : 'off' },
      throttling: values['no-throttling'] !== true,
      ...(values.partitions === undefined
        ? {}
        : { partitions: integerFlag('partitions', values.partitions, 1, 10_000) }),
      ...(values.ru === undefined ? {} : { ruPerSecond: integerFlag('ru', values.ru, 1, 1_000_000_000) }),
      ...(values.data === undefined ? {} : { dataFolder: values.data }),
      ...(values.key === undefined ? {} : { key: values.key }),
    });
    try {
      const { endpoint, key, caCertificate } = emulator;
      await io.stdout.write(`${JSON.stringify({ endpoint, key, caCertificate })}\n`);
      if (!io.signal.aborted) {
        await new Promise<void>((resolve) => {
          io.signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
      return 0;
    } finally {
      await emulator.close();
    }
  },
};
