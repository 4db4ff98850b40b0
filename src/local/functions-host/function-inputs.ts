/** Input bindings besides the trigger: the durable client. */
import type { FunctionDefinition } from './function-definition.ts';
import type { TypedData } from './worker-protocol.ts';

/** Supplies the further inputs of a call. */
export interface FunctionInputs {
  of(definition: FunctionDefinition): readonly { readonly name: string; readonly data: TypedData }[];
}

/** Inputs with one text for every durableClient binding. */
export function durableClientInputs(clientText: string): FunctionInputs {
  return {
    of: (definition) => definition.durableClients.map((name) => ({ name, data: { string: clientText } })),
  };
}
