import { damaged, type FilePlace } from './file-fault.ts';
import { Variant, type Value } from './value-type.ts';

export function decodeVariant(place: FilePlace, _metadata: Value, _value: Value): Variant {
  throw damaged(place, 'a variant');
}
