/** `delta-cosmos emulator`: the Cosmos DB emulator alone, for other programs on this machine. */
import { startCosmosEmulator } from '../local/cosmos-emulator/emulator.ts';
import { EMULATOR_FLAGS, emulatorOptions } from '../local/cosmos-emulator/emulator-flags.ts';
import { parseArguments } from './arguments.ts';
import type { Command } from './command.ts';

const USAGE = `delta-cosmos emulator [--port N] [--https] [--partitions N] [--ru N] [--data DIR] [--key KEY] [--any-token]
                              [--serverless] [--no-throttling] [--latency MS]

Runs a Cosmos DB emulator on this machine until Ctrl-C. Prints one JSON object when it is ready: endpoint, key and, with
--https, the certificate that clients must trust.

  --port N        port (default: 8081; 0: any free one)
  --https         TLS with a certificate of its own
  --partitions N  physical partitions of a new container (default: one for each 6,000 RU/s)
  --ru N          RU/s of a container that is created without any (default: no limit)
  --data DIR      keeps everything in this folder (default: in memory)
  --key KEY       account key, base64 (default: the well-known key of Cosmos DB emulators)
  --any-token     accepts any Entra token as well as the key
  --serverless    an account without offers
  --no-throttling counts RU and never answers 429
  --latency MS    waits so long before each answer (default: 0)
`;

/** Where Cosmos DB emulators usually listen. */
const USUAL_PORT = '8081';

/** The command. */
export const emulatorCommand: Command = {
  name: 'emulator',
  summary: 'run the Cosmos DB emulator alone',
  usage: USAGE,
  async run(argv, io) {
    const { values } = parseArguments(argv, EMULATOR_FLAGS, 0);
    const emulator = await startCosmosEmulator(emulatorOptions({ ...values, port: values.port ?? USUAL_PORT }));
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
