import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { BlobItem, ContainerClient } from '@azure/storage-blob';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { headVersion } from '../../src/delta/log.ts';
import type { LogStore, StoredFile } from '../../src/delta/log-store.ts';
import { BlobLogStore, type BlobContainer } from '../../src/storage/blob-log-store.ts';
import { FolderLogStore } from '../../src/storage/folder-log-store.ts';
import { openTable } from '../../src/storage/open-table.ts';
import { DeltaWriter } from '../support/delta-writer.ts';
import { startAzurite, type Azurite } from '../support/azurite.ts';
import { uploadFolder } from '../support/upload-folder.ts';
import { primitives } from '../support/writer-columns.ts';
import { tableRows } from '../support/read-table.ts';

/** A place for a table, and how to write into it behind the store's back. */
interface Place {
  readonly store: LogStore;
  put(path: string, content: string): Promise<void>;
  /** Like `put`, but with a file that appears under another name first. */
  rename(from: string, to: string): Promise<void>;
  remove(): Promise<void>;
}

async function folderPlace(): Promise<Place> {
  const root = await mkdtemp(join(tmpdir(), 'delta-store-'));
  const put = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(root, 'table', path)), { recursive: true });
    await writeFile(join(root, 'table', path), content);
  };
  await writeFile(join(root, 'outside.txt'), 'secret');
  return {
    store: new FolderLogStore(join(root, 'table')),
    put,
    rename: (from, to) => rename(join(root, 'table', from), join(root, 'table', to)),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

let azurite: Azurite;
let containers = 0;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(() => azurite.stop());

async function newContainer(): Promise<ContainerClient> {
  const container = azurite.service.getContainerClient(`lake-${++containers}`);
  await container.create();
  return container;
}

async function blobPlace(): Promise<Place> {
  const container = await newContainer();
  const put = async (path: string, content: string): Promise<void> => {
    await container.getBlockBlobClient(`some/table/${path}`).upload(content, Buffer.byteLength(content));
  };
  await container.getBlockBlobClient('some/outside.txt').upload('secret', 6);
  return {
    store: new BlobLogStore(container, 'some/table'),
    put,
    async rename(from, to) {
      const source = await container.getBlobClient(`some/table/${from}`).downloadToBuffer();
      await put(to, source.toString());
      await container.deleteBlob(`some/table/${from}`);
    },
    async remove() {
      await container.delete();
    },
  };
}

async function listed(store: LogStore, folder: string, from: string): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for await (const file of store.list(folder, from)) files.push(file);
  return files;
}

describe.each([
  ['folder', folderPlace],
  ['Azure Blob Storage', blobPlace],
])('LogStore on %s', (_name, makePlace) => {
  let place: Place;
  beforeEach(async () => {
    place = await makePlace();
  });
  afterEach(() => place.remove());

  it('lists the files of a folder from a name on, in byte order, without sub-folders', async () => {
    const names = ['0a.json', '1.json', '10.json', '2.json', 'Z.json', '_x', 'a b.json', 'é.json', '\u{1F600}.json'];
    for (const name of names) await place.put(`log/${name}`, name);
    await place.put('log/_sidecars/1.parquet', 'x');
    await place.put('logs/1.json', 'x');
    const all = await listed(place.store, 'log', 'log/');
    expect(all.map((file) => file.path)).toEqual(
      names.map((name) => `log/${name}`).toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    expect((await listed(place.store, 'log', 'log/10.json')).map((file) => file.path)).toEqual(
      all.map((file) => file.path).filter((path) => Buffer.compare(Buffer.from(path), Buffer.from('log/10.json')) >= 0),
    );
    expect(await listed(place.store, 'log', 'log/\u{1F601}')).toEqual([]);
  });

  it('gives size, time and an ETag that read and list agree on', async () => {
    const before = Date.now();
    await place.put('log/1.json', 'hello');
    const [file] = await listed(place.store, 'log', 'log/');
    const read = await place.store.read('log/1.json');
    expect(Buffer.from(read.bytes).toString()).toBe('hello');
    expect(read.file).toEqual(file);
    expect(file?.size).toBe(5);
    expect(Math.abs((file?.modifiedAt ?? 0) - before)).toBeLessThan(60_000);
  });

  it('finds nothing in an absent folder', async () => {
    expect(await listed(place.store, '_delta_log', '_delta_log/')).toEqual([]);
    expect(await listed(place.store, '_delta_log', '_delta_log/00000000000000000005')).toEqual([]);
  });

  it('says that a file is absent', async () => {
    await expect(place.store.read('log/none.json')).rejects.toMatchObject({ code: 'storageNotFound' });
    await expect(place.store.open('none.parquet')).rejects.toMatchObject({ code: 'storageNotFound' });
  });

  it('streams a file of any size in pieces, in order, with what read says of it', async () => {
    const text = Array.from({ length: 300_000 }, (_, i) => `line ${i}\n`).join('');
    await place.put('log/large.json', text);
    const { pieces, file } = await place.store.stream('log/large.json');
    expect(file).toEqual((await place.store.read('log/large.json')).file);
    const parts: Uint8Array[] = [];
    for await (const piece of pieces) parts.push(piece);
    expect(parts.length).toBeGreaterThan(1);
    expect(Buffer.concat(parts).equals(Buffer.from(text))).toBe(true);
    await expect(place.store.stream('log/none.json')).rejects.toMatchObject({ code: 'storageNotFound' });
  });

  it('reads ranges of an unchanging file, and fails when it is replaced', async () => {
    await place.put('a/file with space%41.bin', '0123456789');
    const source = await place.store.open('a/file with space%41.bin');
    expect(source.size).toBe(10);
    expect(Buffer.from(await source.read(2, 5)).toString()).toBe('234');
    expect(Buffer.from(await source.read(0, 10)).toString()).toBe('0123456789');
    expect(Buffer.from(await source.read(8, 20)).toString()).toBe('89');
    expect(await source.read(4, 4)).toHaveLength(0);
    await place.put('a/file with space%41.bin', 'abcdefghijk');
    await expect(source.read(2, 5)).rejects.toMatchObject({ code: 'storageChanged' });
  });

  it('sees a file that was written under another name and renamed', async () => {
    await place.put('log/.tmp', '{}');
    await place.rename('log/.tmp', 'log/1.json');
    expect((await listed(place.store, 'log', 'log/1')).map((file) => file.path)).toEqual(['log/1.json']);
  });

  it('never leaves the table folder', async () => {
    await place.put('inside.txt', 'x');
    const paths = [
      '../outside.txt',
      'a/../../outside.txt',
      '/etc/passwd',
      'abfss://other@account.dfs.core.windows.net/x',
      'https://example.com/some/outside.txt',
      'file\0.txt',
      's3://bucket/x',
    ];
    for (const path of paths) {
      await expect(place.store.open(path), path).rejects.toMatchObject({ code: /unsafePath|storageNotFound/ });
      await expect(place.store.read(path), path).rejects.toMatchObject({
        code: expect.stringMatching(/unsafePath/) as string,
      });
    }
  });

  it('stops when the signal aborts', async () => {
    await place.put('log/1.json', 'x');
    const signal = AbortSignal.abort(new DOMException('stop', 'AbortError'));
    await expect(place.store.read('log/1.json', signal)).rejects.toMatchObject({ name: 'AbortError' });
    const source = await place.store.open('log/1.json');
    await expect(source.read(0, 1, signal)).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('reads an absolute path that lies inside the table', async () => {
    await place.put('a b/x.txt', 'x');
    const { bytes } = await place.store.read(`${place.store.location}/a b/x.txt`);
    expect(Buffer.from(bytes).toString()).toBe('x');
  });
});

describe('folder store', () => {
  it('follows links inside the folder only', async () => {
    const root = await mkdtemp(join(tmpdir(), 'delta-store-'));
    try {
      await mkdir(join(root, 'table/log'), { recursive: true });
      await writeFile(join(root, 'secret.json'), 'secret');
      await writeFile(join(root, 'table/real.json'), 'real');
      await symlink(join(root, 'secret.json'), join(root, 'table/log/out.json'));
      await symlink(join(root, 'table/real.json'), join(root, 'table/log/in.json'));
      await symlink(root, join(root, 'table/up'));
      const store = new FolderLogStore(join(root, 'table'));
      await expect(store.read('log/out.json')).rejects.toMatchObject({ code: 'unsafePath' });
      await expect(store.read('up/secret.json')).rejects.toMatchObject({ code: 'unsafePath' });
      expect(Buffer.from((await store.read('log/in.json')).bytes).toString()).toBe('real');
      expect((await listed(store, 'log', 'log/')).map((file) => file.path)).toEqual(['log/in.json']);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});

describe('blob store', () => {
  it('reads a table from Azurite, and finds in one list call that nothing changed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'delta-store-'));
    try {
      const writer = await DeltaWriter.create(join(folder, 'table'), {
        columns: primitives({ id: 'long', region: 'string' }),
        partitionBy: ['region'],
        deletionVectors: true,
      });
      await writer.insert([1, 2, 3, 4].map((id) => ({ id, region: id % 2 === 0 ? 'a b%/c' : null })));
      await writer.checkpoint();
      await writer.delete((row) => row['id'] === 3);
      const container = await newContainer();
      await uploadFolder(writer.folder, container, 'lake/table');
      const lists: unknown[] = [];
      const counting: BlobContainer = {
        url: container.url,
        getBlobClient: (name) => container.getBlobClient(name),
        listBlobsByHierarchy: (delimiter, options) => {
          lists.push(options);
          return container.listBlobsByHierarchy(delimiter, options);
        },
      };
      const store = new BlobLogStore(counting, 'lake/table');
      expect(new Set((await tableRows(store)).map((row) => row['id']))).toEqual(new Set([1, 2, 4]));
      lists.length = 0;
      expect(await headVersion(store, writer.version)).toBe(writer.version);
      expect(lists).toHaveLength(1);
      const byUrl = await openTable(`${azurite.endpoint}/${container.containerName}/lake/table`, {
        AZURE_STORAGE_CONNECTION_STRING: azurite.connectionString,
      });
      expect(await tableRows(byUrl)).toHaveLength(3);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  /** A container whose listing was recorded elsewhere. */
  function recorded(
    url: string,
    items: readonly Partial<BlobItem>[],
    honoursStart: boolean,
  ): { readonly container: BlobContainer; readonly calls: unknown[] } {
    const calls: unknown[] = [];
    const container = {
      url,
      getBlobClient: () => {
        throw new Error('not read here');
      },
      listBlobsByHierarchy: (_delimiter: string, options: { readonly prefix: string; readonly startFrom?: string }) => {
        calls.push(options);
        const start = options.startFrom;
        return (async function* () {
          for (const item of items) {
            if (start !== undefined && !honoursStart) continue;
            if (item.name !== undefined && (start === undefined || item.name >= start)) yield { kind: 'blob', ...item };
          }
        })();
      },
    };
    return { container: container as unknown as BlobContainer, calls };
  }

  const properties = { contentLength: 10, lastModified: new Date(0), etag: '0x8D' } as BlobItem['properties'];

  it('skips directories of a hierarchical namespace', async () => {
    const items = [
      { name: 't/_delta_log/.s3-optimization-0', properties: { ...properties, contentLength: 0 } },
      { name: 't/_delta_log/00000000000000000000.json', properties },
      {
        name: 't/_delta_log/_sidecars',
        properties: { ...properties, contentLength: 0 },
        metadata: { hdi_isfolder: 'true' },
      },
      {
        name: 't/_delta_log/__tmp',
        properties: { ...properties, contentLength: 0, resourceType: 'directory' } as BlobItem['properties'],
      },
    ];
    const { container } = recorded('https://account.blob.core.windows.net/lake', items, true);
    const files = await listed(new BlobLogStore(container, 't'), '_delta_log', '_delta_log/0');
    expect(files.map((file) => file.path)).toEqual(['_delta_log/00000000000000000000.json']);
  });

  it('never asks OneLake to start at a name', async () => {
    const items = [{ name: 'x.Lakehouse/Tables/t/_delta_log/00000000000000000005.json', properties }];
    const { container, calls } = recorded('https://onelake.blob.fabric.microsoft.com/workspace', items, false);
    const store = new BlobLogStore(container, 'x.Lakehouse/Tables/t');
    expect(await listed(store, '_delta_log', '_delta_log/00000000000000000005')).toHaveLength(1);
    expect(calls).toHaveLength(1);
    expect(calls[0]).not.toHaveProperty('startFrom');
  });

  it('lists anew without a start when a service answers a start with nothing', async () => {
    const items = [{ name: 't/_delta_log/00000000000000000005.json', properties }];
    const { container, calls } = recorded('https://account.blob.example/lake', items, false);
    expect(
      await listed(new BlobLogStore(container, 't'), '_delta_log', '_delta_log/00000000000000000005'),
    ).toHaveLength(1);
    expect(calls).toHaveLength(2);
  });
});
