/** HTTP functions of an ES module app, and the host's own addresses. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Azurite } from './azurite.ts';
import { startAzurite } from './azurite.ts';
import { startTestHost, until } from './test-host.ts';
import type { TestHost } from './test-host.ts';

describe('HTTP functions', () => {
  let azurite: Azurite;
  let host: TestHost;
  const folder = mkdtempSync(join(tmpdir(), 'functions-notes-'));
  const notes = join(folder, 'notes');

  beforeAll(async () => {
    azurite = await startAzurite();
    host = await startTestHost({
      fixture: 'triggers',
      settings: {
        AzureWebJobsStorage: azurite.connectionString,
        WORK_QUEUE: 'unused',
        HOURLY: '0 0 * * * *',
        NOTES: notes,
      },
    });
  });
  afterAll(async () => {
    await host.dispose();
    expect(readFileSync(notes, 'utf8')).toContain('terminated');
    await azurite.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it('take the rest of a path, the query and the body, and answer with status, headers and cookies', async () => {
    const response = await host.fetch('/api/files/a/b%20c/d?q=1&q=2', { method: 'POST', body: 'payload', code: null });
    expect(response.status).toBe(201);
    expect(response.headers.get('x-path')).toBe('a/b c/d');
    expect(response.headers.get('set-cookie')).toBe('a=b%20c; Path=/; Max-Age=60; HttpOnly; SameSite=strict');
    expect(await response.json()).toEqual({ path: 'a/b c/d', query: '2', body: 'payload' });
  });

  it('prefer the more specific route, with an optional parameter', async () => {
    const fetchText = async (path: string): Promise<string> => (await host.fetch(path)).text();
    expect(await fetchText('/api/files/item/7')).toBe('item 7');
    expect(await fetchText('/api/FILES/Item')).toBe('item none');
    expect((await host.fetch('/api/files/item/7', { code: null })).status).toBe(401);
    expect((await host.fetch('/api/files/item/7', { code: 'wrong' })).status).toBe(401);
  });

  it('carry bytes both ways, and answer 204 to nothing', async () => {
    const body = Uint8Array.from({ length: 100_000 }, (_, n) => n % 251);
    const response = await host.fetch('/api/bytes', { method: 'POST', body });
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(body.toReversed());
    const nothing = await host.fetch('/api/nothing');
    expect(nothing.status).toBe(204);
    expect(await nothing.text()).toBe('');
    await until(
      'hook',
      () => (existsSync(notes) && readFileSync(notes, 'utf8').includes('hook before nothing')) || undefined,
    );
  });

  it('are listed, and the host reports its state, to the master key only', async () => {
    expect((await host.fetch('/admin/host/status', { code: null })).status).toBe(401);
    expect(await (await host.fetch('/admin/host/status')).json()).toMatchObject({ state: 'Running' });
    const listed = (await (await host.fetch('/admin/functions')).json()) as {
      name: string;
      invoke_url_template: string;
    }[];
    expect(listed.find(({ name }) => name === 'rest')?.invoke_url_template).toBe(`${host.url}/api/files/{*path}`);
    expect((await host.fetch('/_host/faults', { method: 'POST', body: '[]', code: null })).status).toBe(401);
    const wrong = await host.fetch('/_host/faults', { method: 'POST', body: '[{"fault":"flood"}]' });
    expect(wrong.status).toBe(400);
    expect(await wrong.text()).toContain('activityTwice');
  });

  it.each([
    'GET //evil.example/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'GET /api/%ff%fe HTTP/1.1\r\nHost: [\r\n\r\n',
    'GET /runtime/webhooks/durabletask/instances/%E0%A4%A HTTP/1.1\r\nHost: a b\r\n\r\n',
    'POST /api/files/x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nab',
    'NONSENSE\r\n\r\n',
  ])('survive the request %j', async (text) => {
    const port = Number(new URL(host.url).port);
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.end(text));
      socket.on('close', () => resolve());
      socket.on('error', () => resolve());
      socket.resume();
    });
    expect((await host.fetch('/api/files/alive', { code: null })).status).toBe(201);
  });
});
