/**
 * Finds the checks of a source file and puts a switch on each: a mutant is the program with one check switched off.
 *
 * Works on the syntax tree, so that no check is overlooked for its layout. A check is an `if` (each operand of its condition
 * when they are joined by `||`), each choice between a refusal and something else, each operand of a conjunction that is
 * returned, each further check in a chain of `??`, each assertion, each `throw` of its own, and each demand that a reader
 * be at its end.
 */
import { parseAst } from 'vitest/node';

/** Where a check stands and what it says. */
export interface Mutant {
  readonly id: number;
  readonly package: string;
  /** Relative to the package's src. */
  readonly file: string;
  readonly line: number;
  /** Source text of the check that is switched off. */
  readonly check: string;
  /** Source text of the statement around it. */
  readonly statement: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [member: string]: unknown;
}

interface Insertion {
  readonly at: number;
  readonly text: string;
  readonly length: number;
  readonly isPrefix: boolean;
}

/** What a check becomes when it is switched off. */
type Form = 'true' | 'false' | 'undefined' | 'nothing';

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function childrenOf(node: Node): readonly Node[] {
  return Object.values(node).flatMap((value) =>
    Array.isArray(value) ? value.filter(isNode) : isNode(value) ? [value] : [],
  );
}

function bare(value: unknown): Node {
  const node = value as Node;
  return node.type === 'ParenthesizedExpression' ? bare(node.expression) : node;
}

function operandsOf(node: Node, operator: string): readonly Node[] {
  const inner = bare(node);
  if (inner.type !== 'LogicalExpression' || inner.operator !== operator) return [node];
  return [...operandsOf(inner.left as Node, operator), ...operandsOf(inner.right as Node, operator)];
}

function calleeName(node: Node): string {
  if (node.type !== 'CallExpression') return '';
  const callee = bare(node.callee);
  if (callee.type === 'Identifier') return String(callee.name);
  return callee.type === 'MemberExpression' ? `.${String((callee.property as Node).name)}` : '';
}

/** How sure a branch is a refusal: a code or `fail` is one, `undefined` is one beside anything but those. */
function refusalRank(value: Node): number {
  const node = bare(value);
  if (calleeName(node) === 'fail') return 2;
  if (node.type === 'Literal' && typeof node.value === 'string' && /^(?:[A-Z][A-Z0-9_]+|malformed)$/.test(node.value))
    return 2;
  return (node.type === 'Identifier' && node.name === 'undefined') || (node.type === 'Literal' && node.value === null)
    ? 1
    : 0;
}

/** The source with its switches, and the checks that they switch off; ids count from `firstId`. */
export function instrument(
  place: { readonly package: string; readonly file: string },
  source: string,
  firstId: number,
): { readonly source: string; readonly mutants: readonly Mutant[] } {
  const mutants: Mutant[] = [];
  const insertions: Insertion[] = [];

  function add(node: Node, form: Form, statement: Node): void {
    const id = firstId + mutants.length;
    const line = source.slice(0, node.start).split('\n').length;
    const text = (part: Node): string => source.slice(part.start, part.end).replaceAll(/\s+/g, ' ');
    mutants.push({ id, ...place, line, check: text(node), statement: text(statement).slice(0, 160) });
    const active = `globalThis.__mutant(${id})`;
    const [before, after] = {
      true: [`(${active} || (`, '))'],
      false: [`(!${active} && (`, '))'],
      undefined: [`(${active} ? undefined : (`, '))'],
      nothing: [`if (!${active}) { `, ' }'],
    }[form] as [string, string];
    const length = node.end - node.start;
    insertions.push({ at: node.start, text: before, length, isPrefix: true });
    insertions.push({ at: node.end, text: after, length, isPrefix: false });
  }

  function choice(node: Node, statement: Node): void {
    const [test, consequent, alternate] = [node.test, node.consequent, node.alternate] as [Node, Node, Node];
    const [yes, no] = [refusalRank(consequent), refusalRank(alternate)];
    if (yes > no) for (const operand of operandsOf(test, '||')) add(operand, 'false', statement);
    if (no > yes) for (const operand of operandsOf(test, '&&')) add(operand, 'true', statement);
  }

  function visit(node: Node, statement: Node): void {
    const inside = /(?:Statement|Declaration|PropertyDefinition)$/.test(node.type) ? node : statement;
    const isBody = node.type === 'ArrowFunctionExpression' && node.expression === true;
    const result = node.type === 'ReturnStatement' ? node.argument : isBody ? node.body : undefined;
    if (isNode(result)) {
      const operands = operandsOf(result, '&&');
      if (operands.length > 1) for (const operand of operands) add(operand, 'true', inside);
    }
    if (node.type === 'IfStatement') {
      for (const operand of operandsOf(node.test as Node, '||')) add(operand, 'false', inside);
    } else if (node.type === 'ConditionalExpression') {
      choice(node, inside);
    } else if (node.type === 'LogicalExpression' && node.operator === '??') {
      for (const side of [node.left, node.right] as Node[])
        if (/^check[A-Z]/.test(calleeName(bare(side)))) add(side, 'undefined', inside);
    } else if (node.type === 'SwitchCase' && node.test === null) {
      for (const last of node.consequent as Node[]) if (last.type === 'ThrowStatement') add(last, 'nothing', last);
    } else if (node.type === 'ExpressionStatement') {
      const name = calleeName(bare(node.expression));
      if (name === 'assert' || name === '.end') add(node, 'nothing', inside);
    }
    for (const child of childrenOf(node)) visit(child, inside);
  }

  const program = parseAst(source, { lang: 'ts' }) as unknown as Node;
  visit(program, program);
  // At one place suffixes come before prefixes; an outer pair encloses an inner one.
  insertions.sort((a, b) => {
    if (a.at !== b.at) return a.at - b.at;
    if (a.isPrefix !== b.isPrefix) return a.isPrefix ? 1 : -1;
    return a.isPrefix ? b.length - a.length : a.length - b.length;
  });
  let [result, from] = ['', 0];
  for (const { at, text } of insertions) {
    result += source.slice(from, at) + text;
    from = at;
  }
  return { source: result + source.slice(from), mutants };
}
