/** `/_emulator/…`: faults, counters, splits and time over HTTP, for an emulator that runs as its own process. */
import { parseFaultRule } from './faults.ts';
import { isJsonMap, parseJsonMap, type Json, type JsonMap } from './json.ts';
import type { Answer } from './request.ts';
import { badRequest } from './refusal.ts';
import type { AdminHandler } from './server.ts';
import type { EmulatorControl } from './control.ts';

/** Routes admin requests to the same functions the library offers. */
export function adminHandler(control: EmulatorControl): AdminHandler {
  return (method, url, body) => {
    const [path = '', query = ''] = url.split('?');
    const given = body.length === 0 ? {} : parseJsonMap(body.toString('utf8'));
    switch (`${method} ${path}`) {
      case 'GET /_emulator/health':
        return json({ status: 'ok' });
      case 'GET /_emulator/counters': {
        const since = Number(new URLSearchParams(query).get('since') ?? 0);
        return json({ ...control.counters.total(), perSecond: control.counters.perSecond(since) as unknown as Json[] });
      }
      case 'DELETE /_emulator/counters':
        control.counters.reset();
        return json({});
      case 'GET /_emulator/faults':
        return json({ faults: control.faults.list() as unknown as Json[] });
      case 'POST /_emulator/faults':
        return json({ id: control.faults.add(parseFaultRule(given)) });
      case 'DELETE /_emulator/faults':
        control.faults.clear();
        return json({});
      case 'POST /_emulator/split': {
        const { database, container, rangeId } = place(given);
        return json({ children: control.split(database, container, rangeId).slice() });
      }
      case 'POST /_emulator/migrate': {
        const { database, container, rangeId } = place(given);
        const requests = given['requests'];
        control.migrate(database, container, rangeId, typeof requests === 'number' ? requests : 1);
        return json({});
      }
      case 'POST /_emulator/throughput': {
        const { database, container } = place(given);
        const figure = given['ruPerSecond'];
        control.setThroughput(database, container, typeof figure === 'number' ? figure : undefined);
        return json({});
      }
      case 'POST /_emulator/buckets': {
        const { database, container } = place(given);
        control.setBuckets(database, container, percents(given['percents']));
        return json({});
      }
      case 'POST /_emulator/clock': {
        const ms = given['advanceMs'];
        if (typeof ms !== 'number' || !(ms >= 0)) throw badRequest('advanceMs must be a number that is not negative.');
        control.advanceClock(ms);
        return json({ now: control.now() });
      }
      default:
        return undefined;
    }
  };
}

function place(given: JsonMap): { readonly database: string; readonly container: string; readonly rangeId: string } {
  const { database, container, rangeId } = given;
  if (typeof database !== 'string' || typeof container !== 'string') {
    throw badRequest('database and container must be given.');
  }
  return { database, container, rangeId: typeof rangeId === 'string' ? rangeId : '' };
}

function percents(value: Json | undefined): Record<string, number> {
  if (!isJsonMap(value)) throw badRequest('percents must be an object of percentages by bucket id.');
  return Object.fromEntries(Object.entries(value).map(([id, percent]) => [id, Number(percent)]));
}

function json(body: JsonMap): Answer {
  return { status: 200, body: JSON.stringify(body) };
}
