/**
 * What Intel calls the components of a platform's TCB: "category" and "type" of each, as TCB info names them.
 *
 * For people alone; no verdict depends on them, and TCB info without any is as good. Source: Intel PCS API v4, "Get TCB
 * Info", members of sgxtcbcomponents and tdxtcbcomponents.
 */
import { type JsonValue, parseJson } from '@cloister/encoding';
import { jsonObject } from '../../policy/json-fields.ts';

/** Such as "BIOS: Early Microcode Update", by index; undefined where Intel says nothing. */
export interface ComponentTypes {
  readonly sgx: readonly (string | undefined)[];
  readonly tdx: readonly (string | undefined)[];
}

/** Reads the names off the newest level. Never throws: what is not there has no name. */
export function readComponentTypes(tcbInfo: Uint8Array): ComponentTypes {
  const parsed = parseJson(tcbInfo, { maxBytes: 256 * 1024, maxDepth: 8 });
  const levels = parsed.ok ? jsonObject(parsed.value)?.tcbLevels : undefined;
  const newest = Array.isArray(levels) ? (levels as readonly JsonValue[])[0] : undefined;
  const tcb = jsonObject(jsonObject(newest)?.tcb);
  return { sgx: namesOf(tcb?.sgxtcbcomponents), tdx: namesOf(tcb?.tdxtcbcomponents) };
}

function namesOf(components: JsonValue | undefined): readonly (string | undefined)[] {
  if (!Array.isArray(components)) return [];
  return (components as readonly JsonValue[]).map((component) => {
    const { category, type } = jsonObject(component) ?? {};
    const words = [category, type].filter((word) => typeof word === 'string' && word !== '');
    return words.length === 0 ? undefined : words.join(': ');
  });
}
