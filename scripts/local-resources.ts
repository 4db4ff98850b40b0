/**
 * `node scripts/local-resources.ts [SETTINGS]`: for `func start` on one machine. Makes what infra/ makes in Azure, in the
 * Azurite and the Cosmos DB emulator that the settings name, puts the sample table into the lake and writes its sync.json.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CosmosClient, PartitionKeyDefinitionVersion } from '@azure/cosmos';
import { BlobServiceClient } from '@azure/storage-blob';
import { QueueServiceClient } from '@azure/storage-queue';
import { readAppSettings } from '../src/config/app-settings.ts';
import { SAMPLE_FOLDER, SCENARIO, sampleWriter } from '../src/local/sample-table/scenario.ts';

const DATABASE = 'cosmicworks';
const CONTAINER = 'products';

const file = process.argv[2] ?? 'local.settings.json';
const { Values } = JSON.parse(readFileSync(file, 'utf8')) as { readonly Values: Readonly<Record<string, string>> };
const settings = readAppSettings(Values);
if (settings.storage.kind !== 'connectionString' || settings.lake?.kind !== 'connectionString')
  throw new Error(`${file} names no local storage.`);

const lake = BlobServiceClient.fromConnectionString(settings.lake.connectionString).getContainerClient(
  settings.lakeContainer ?? 'lake',
);
const blobs = BlobServiceClient.fromConnectionString(settings.storage.connectionString);
const queues = QueueServiceClient.fromConnectionString(settings.storage.connectionString);
await lake.createIfNotExists();
await blobs.getContainerClient(settings.planContainer).createIfNotExists();
await queues.getQueueClient(settings.hintQueue).createIfNotExists();

const { endpoint, key = '' } = settings.cosmos;
const cosmos = new CosmosClient({ endpoint, key });
const { database: control } = await cosmos.databases.createIfNotExists({ id: settings.stateDatabase });
await control.containers.createIfNotExists({
  id: settings.stateContainer,
  partitionKey: { paths: ['/target'] },
  defaultTtl: -1,
});
await control.containers.createIfNotExists({ id: settings.leaseContainer, partitionKey: { paths: ['/id'] } });
const { database } = await cosmos.databases.createIfNotExists({ id: DATABASE });
await database.containers.createIfNotExists({
  id: CONTAINER,
  partitionKey: { paths: ['/id'], version: PartitionKeyDefinitionVersion.V2 },
  throughput: 1000,
});
cosmos.dispose();

const blob = (path: string): ReturnType<typeof lake.getBlockBlobClient> =>
  lake.getBlockBlobClient(`${SAMPLE_FOLDER}/${path}`);
const writer = sampleWriter(
  {
    async write(path, bytes) {
      await blob(path).uploadData(bytes);
    },
    async commit(path, bytes) {
      if (await blob(path).exists()) return false;
      await blob(path).uploadData(bytes);
      return true;
    },
  },
  () => Date.now(),
);
for (const { commit } of SCENARIO) await commit(writer);

const configuration = {
  budgets: { shop: { target: `${DATABASE}/${CONTAINER}`, share: 0.3 } },
  tables: {
    products: {
      source: `${lake.url}/${SAMPLE_FOLDER}`,
      target: { database: DATABASE, container: CONTAINER },
      id: '${id}',
      budget: 'shop',
    },
  },
};
const target = resolve(dirname(resolve(file)), settings.configurationFile ?? 'sync.json');
mkdirSync(dirname(target), { recursive: true });
writeFileSync(target, `${JSON.stringify(configuration, null, 2)}\n`);
process.stdout.write(`Ready for func start: ${writer.version + 1} commits of ${SAMPLE_FOLDER} in the lake.\n`);
