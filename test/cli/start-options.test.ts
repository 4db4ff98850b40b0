import { expect, test } from 'vitest';
import { startOptions } from '../../src/cli/start-options.ts';

test('two services cannot have one port', () => {
  expect(() => startOptions(['--port', '7001', '--blob-port', '7001'], '/')).toThrow('Port 7001 is asked for twice.');
  expect(startOptions(['--port', '7001', '--blob-port', '7002'], '/').ports).toEqual({ functions: 7001, blob: 7002 });
});
