/** Spatial indexes: kept, not used. Their bounding boxes must suit the kind of data the container holds. */
import { isJsonMap, shown, type Json, type JsonMap } from './json.ts';
import { badRequest } from './refusal.ts';

const SIDES = ['xmin', 'ymin', 'xmax', 'ymax'];

/** Completes `geospatialConfig`, or 400. */
export function completeGeospatialConfig(value: Json | undefined): JsonMap {
  if (value === undefined || value === null) return { type: 'Geography' };
  const type = isJsonMap(value) ? value['type'] : undefined;
  if (!isJsonMap(value) || (type !== 'Geography' && type !== 'Geometry')) {
    throw badRequest(`The type of the geospatialConfig is Geography or Geometry, not ${shown(type ?? null)}.`);
  }
  return value;
}

/** A plane has no bounds of its own, so its indexes need a box; those of the globe cannot have one. */
export function checkSpatialIndexes(policy: JsonMap, geospatialConfig: JsonMap): void {
  const indexes = policy['spatialIndexes'];
  if (indexes === undefined || indexes === null) return;
  if (!Array.isArray(indexes)) throw badRequest('The spatialIndexes must be an array.');
  const plane = geospatialConfig['type'] === 'Geometry';
  for (const index of indexes) {
    if (!isJsonMap(index) || typeof index['path'] !== 'string') throw badRequest('A spatial index needs a path.');
    const box = index['boundingBox'] ?? undefined;
    const where = `The spatial index on '${index['path']}'`;
    if (!plane && box !== undefined) throw badRequest(`${where} has a boundingBox, which Geography does not allow.`);
    if (plane && !(isJsonMap(box) && SIDES.every((side) => typeof box[side] === 'number'))) {
      throw badRequest(`${where} needs a boundingBox of ${SIDES.join(', ')}, as Geometry demands.`);
    }
  }
}
