/** Event Grid's filters as documented: joined by and; values of one by or; comparisons without regard to case. */
export interface EventFilter {
  readonly includedEventTypes: readonly string[];
  readonly subjectBeginsWith: string;
  readonly subjectEndsWith: string;
  readonly advancedFilters: readonly {
    readonly operatorType: string;
    readonly key: string;
    readonly values: readonly string[];
  }[];
}

export interface StorageEvent {
  readonly type: string;
  readonly subject: string;
  readonly api: string;
}

const OPERATORS: Readonly<Record<string, (text: string, value: string) => boolean>> = {
  StringBeginsWith: (text, value) => text.startsWith(value),
  StringContains: (text, value) => text.includes(value),
  StringIn: (text, value) => text === value,
};

/** Whether the event is delivered. Throws for what a filter of ours does not use. */
export function delivers(filter: EventFilter, event: StorageEvent): boolean {
  const subject = event.subject.toLowerCase();
  return (
    filter.includedEventTypes.includes(event.type) &&
    subject.startsWith(filter.subjectBeginsWith.toLowerCase()) &&
    subject.endsWith(filter.subjectEndsWith.toLowerCase()) &&
    filter.advancedFilters.every(({ operatorType, key, values }) => {
      const text = (key === 'Subject' ? event.subject : key === 'data.api' ? event.api : unknown(key)).toLowerCase();
      const lower = values.map((value) => value.toLowerCase());
      if (operatorType === 'StringNotContains') return lower.every((value) => !text.includes(value));
      const holds = OPERATORS[operatorType] ?? unknown(operatorType);
      return lower.some((value) => holds(text, value));
    })
  );
}

function unknown(what: string): never {
  throw new Error(`The filters do not use ${what}.`);
}
