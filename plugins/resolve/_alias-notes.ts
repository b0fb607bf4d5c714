import { fill } from "./_alias-candidates.ts";
import { toWay } from "./_alias-fields.ts";
import type { Named } from "./_alias-names.ts";
import { isLeaf, leavesOf, type Plan } from "./_alias-tree.ts";

/** For explain: what a name is, and what each target calls the model, group by group. */
export function explainNamed(asked: string, { alias, plan, route, star }: Named): string[] {
  const { all } = route.pool.snapshot;
  const groups = plan.groups.map(({ members }): string[] =>
    members.flatMap((member) => {
      const leaves = isLeaf(member) ? [member] : leavesOf(member.plan);
      return leaves.flatMap((leaf) => {
        const model = leaf.open === true ? fill(leaf.model, star ?? "*") : leaf.model;
        return leaf
          .faces(all)
          .map(({ id }) =>
            leaf.path.length > 1 ? `${toWay(leaf)} -> ${model} on ${id}` : `${id} knows it as '${model}'`,
          );
      });
    }),
  );
  const [only = []] = groups;
  const notes = groups.length === 1 ? only : groups.map((targets, i) => toTitle(plan, i) + targets.join(", "));
  return [whatIs(asked, alias), ...notes].map((note) => `alias: ${note}`);
}

function whatIs(asked: string, alias: string): string {
  if (asked === alias) return `'${alias}' is an alias`;
  return alias.includes("*") ? `'${asked}' is one of the alias '${alias}'` : `'${asked}' is a synonym of '${alias}'`;
}

function toTitle({ alias, groups }: Plan, index: number): string {
  const name = groups[index]?.name;
  return `'${alias}' group ${index + 1} of ${groups.length}${name === undefined ? "" : ` (${name})`}: `;
}
