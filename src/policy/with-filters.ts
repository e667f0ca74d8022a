import { NO_FILTER } from './filter-keys.ts';
import type { Policy } from './policy.ts';

/** The same policy, with what reads filters, if a section names one: nobody else loads a parser of XML. */
export async function withFilters(policy: Policy): Promise<Policy> {
  const named = policy.sections.some(({ settings }) => (settings.nwfilter ?? NO_FILTER) !== NO_FILTER);
  if (!named) return policy;
  const { filterSource } = await import('./filter-source.ts');
  return { ...policy, filters: filterSource(policy) };
}
