// Z3 as a judge: questions in SMT-LIB 2 over bit vectors, and diagrams as terms to ask about.
import { init, Z3_lbool } from 'z3-solver';
import type { Diagram } from '../packages/netfilter/src/index.ts';
import { highOf, levelOf, lowOf } from '../packages/netfilter/src/space/bdd.ts';

export interface Solver {
  /**
   * `sat` or `unsat` for a term over these variables (name → bits). Not by way of eval_smtlib2_string: that gives its
   * thread a text on a stack that is free again before the thread has read it, and long texts arrive damaged.
   */
  ask(variables: Readonly<Record<string, number>>, assertion: string): Promise<string>;
  stop(): void;
}

export async function startSolver(): Promise<Solver> {
  const solver = await init();
  const { Z3 } = solver;
  return {
    async ask(variables, assertion) {
      const context = Z3.mk_context(Z3.mk_config());
      const declared = Object.entries(variables)
        .map(([name, bits]) => `(declare-const ${name} (_ BitVec ${bits}))`)
        .join('\n');
      const terms = Z3.parse_smtlib2_string(context, `${declared}\n(assert ${assertion})`, [], [], [], []);
      Z3.ast_vector_inc_ref(context, terms);
      const problem = Z3.get_error_code(context);
      if (problem !== 0) throw new Error(Z3.get_error_msg(context, problem));
      const asked = Z3.mk_solver(context);
      Z3.solver_inc_ref(context, asked);
      for (let i = 0; i < Z3.ast_vector_size(context, terms); i++) {
        Z3.solver_assert(context, asked, Z3.ast_vector_get(context, terms, i));
      }
      if (Z3.ast_vector_size(context, terms) !== 1) throw new Error(`Z3 did not read ${assertion}`);
      const answer = await Z3.solver_check(context, asked);
      Z3.solver_dec_ref(context, asked);
      Z3.del_context(context);
      return answer === Z3_lbool.Z3_L_TRUE ? 'sat' : answer === Z3_lbool.Z3_L_FALSE ? 'unsat' : 'unknown';
    },
    stop: () => solver.em.PThread.terminateAllThreads(),
  };
}

/** A leaf in three bits. */
export const leafVector = (leaf: number): string => `(_ bv${leaf} 3)`;

/** The leaf that the diagram has for a packet, in three bits: its nodes one after the other, children first. */
export function diagramTerm(diagram: Diagram): string {
  const { bdd, layout } = diagram.space;
  const nodes = new Set<number>();
  const visit = (node: number): void => {
    if (node < bdd.leaves || nodes.has(node)) return;
    visit(lowOf(bdd, node));
    visit(highOf(bdd, node));
    nodes.add(node);
  };
  visit(diagram.node);
  const term = (node: number): string => (node < bdd.leaves ? leafVector(node) : `n${node}`);
  const lets = [...nodes].map((node) => {
    const level = levelOf(bdd, node);
    const { name, first, bits } = layout.fields.find((field) => level < field.first + field.bits)!;
    const bit = bits - 1 - (level - first);
    const isOne = `(= #b1 ((_ extract ${bit} ${bit}) ${name}))`;
    return `(let ((n${node} (ite ${isOne} ${term(highOf(bdd, node))} ${term(lowOf(bdd, node))})))`;
  });
  return `${lets.join('\n')} ${term(diagram.node)}${')'.repeat(lets.length)}`;
}
