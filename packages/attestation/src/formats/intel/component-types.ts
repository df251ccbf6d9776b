/**
 * What Intel calls the components of a platform's TCB: "category" and "type" of each, as TCB info names them.
 *
 * For people alone; no verdict depends on them, and TCB info without any is as good. Source: Intel PCS API v4, "Get TCB
 * Info", members of sgxtcbcomponents and tdxtcbcomponents.
 */
import { parseJson } from '@cloister/encoding';
import {
  anyJson,
  array,
  mapped,
  member,
  openObject,
  parseShape,
  type Shape,
  withDefault,
} from '@cloister/encoding/shape';

/** Such as "BIOS: Early Microcode Update", by index; undefined where Intel says nothing. */
export interface ComponentTypes {
  readonly sgx: readonly (string | undefined)[];
  readonly tdx: readonly (string | undefined)[];
}

const word: Shape<string> = (value) => (typeof value === 'string' ? value : '');
const name = mapped(openObject({ category: word, type: word }), ({ category, type }) => {
  const words = [category, type].filter((one) => one !== '');
  return words.length === 0 ? undefined : words.join(': ');
});
const names = withDefault(array(name, { max: 256 }), []);
const levels = member('tcbLevels', array(anyJson, { min: 1, max: 256 }));
const componentTypes = member(
  'tcb',
  mapped(
    openObject({ sgxtcbcomponents: names, tdxtcbcomponents: names }),
    ({ sgxtcbcomponents, tdxtcbcomponents }): ComponentTypes => ({ sgx: sgxtcbcomponents, tdx: tdxtcbcomponents }),
  ),
);

/** Reads the names off the newest level. Never throws: what is not there has no name. */
export function readComponentTypes(tcbInfo: Uint8Array): ComponentTypes {
  const parsed = parseJson(tcbInfo, { maxBytes: 256 * 1024, maxDepth: 8 });
  const read = parsed.ok ? parseShape(levels, parsed.value) : parsed;
  const newest = read.ok ? parseShape(componentTypes, read.value[0]) : read;
  return newest.ok ? newest.value : { sgx: [], tdx: [] };
}
