import { drizzle } from "drizzle-orm/sqlite-proxy";
import { sqliteTable, text, integer, real, index, primaryKey } from "drizzle-orm/sqlite-core";
import { eq, and, or, gt, like, inArray, sql, desc, count, relations, isNull, between, not } from "drizzle-orm";

export default async function (print) {
  const users = sqliteTable("users", { id: integer("id").primaryKey({ autoIncrement: true }), name: text("name").notNull(), age: integer("age"), score: real("score").default(1.5), made: integer("made", { mode: "timestamp" }), admin: integer("admin", { mode: "boolean" }), data: text("data", { mode: "json" }) }, (t) => [index("by_name").on(t.name)]);
  const posts = sqliteTable("posts", { id: integer("id").primaryKey(), author: integer("author").references(() => users.id), title: text("title") });
  const usersRelations = relations(users, ({ many }) => ({ posts: many(posts) })); const postsRelations = relations(posts, ({ one }) => ({ author: one(users, { fields: [posts.author], references: [users.id] }) }));
  const log = []; let rows = [];
  const db = drizzle(async (q, params, method) => { log.push([q, params, method]); return { rows }; }, { schema: { users, posts, usersRelations, postsRelations } });
  const flush = () => { for (const [q, p, m] of log.splice(0)) print(m, q, JSON.stringify(p)); };
  rows = [[1, "Al", 30, 2.5, 1600000000, 1, '{"k":[1]}']]; print(JSON.stringify(await db.select().from(users).where(and(eq(users.name, "Al"), or(gt(users.age, 18), isNull(users.age)))).orderBy(desc(users.id)).limit(5).offset(2))); flush();
  rows = [["Al", 2]]; print(JSON.stringify(await db.select({ n: users.name, posts: count(posts.id) }).from(users).leftJoin(posts, eq(posts.author, users.id)).groupBy(users.name).having(({ posts: p }) => gt(p, 1)))); flush();
  rows = [[7]]; print(JSON.stringify(await db.insert(users).values([{ name: "Bo", admin: true, made: new Date(1.6e12), data: { a: 1 } }, { name: "Cy" }]).onConflictDoUpdate({ target: users.id, set: { name: sql`excluded.name` } }).returning({ id: users.id }))); flush();
  rows = []; await db.update(users).set({ age: sql`${users.age} + 1`, name: "New" }).where(inArray(users.id, [1, 2, 3])); flush(); await db.delete(users).where(not(like(users.name, "%x%"))); flush();
  await db.query.users.findMany({ columns: { id: true, name: true }, with: { posts: { where: (p, { eq: e }) => e(p.title, "t"), limit: 2 } }, where: (u, { between: b }) => b(u.age, 1, 2) }); flush();
  const q = db.select({ id: users.id }).from(users).where(eq(users.id, sql.placeholder("id"))).prepare(); await q.all({ id: 5 }); flush(); print(JSON.stringify(db.select().from(posts).where(between(posts.id, 1, 9)).toSQL()));
  const sub = db.$with("s").as(db.select({ id: users.id, c: sql`count(*)`.as("c") }).from(users)); print(db.with(sub).select().from(sub).toSQL().sql, db.select().from(users).union(db.select().from(users)).toSQL().sql);
}
