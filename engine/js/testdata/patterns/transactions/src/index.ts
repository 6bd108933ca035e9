// Several keys at once: batches, and a transaction that decides by what it reads.

import { DurableObject } from "cloudflare:workers";

interface Env {
	ACCOUNT: DurableObjectNamespace<Account>;
}

export class Account extends DurableObject<Env> {
	async updateMultipleKeys(): Promise<string[]> {
		// Batch writes are atomic.
		await this.ctx.storage.put({
			key1: "value1",
			key2: "value2",
			key3: "value3",
		});
		// Batch deletes.
		await this.ctx.storage.delete(["key1", "key2"]);
		return [...(await this.ctx.storage.list({ prefix: "key" })).keys()];
	}

	deposit(amount: number): number {
		const balance = (this.ctx.storage.kv.get<number>("balance") ?? 0) + amount;
		this.ctx.storage.kv.put("balance", balance);
		return balance;
	}

	withdraw(amount: number): Promise<boolean> {
		return this.ctx.storage.transaction(async (txn) => {
			const balance = (await txn.get<number>("balance")) || 0;
			await scheduler.wait(1); // nobody else comes in between
			if (balance >= amount) {
				await txn.put("balance", balance - amount);
				await txn.put(`withdrawal:${crypto.randomUUID()}`, amount);
				return true;
			}
			return false;
		});
	}

	async withdrawAndFail(amount: number): Promise<void> {
		await this.ctx.storage.transaction(async (txn) => {
			await txn.put("balance", (await txn.get<number>("balance"))! - amount);
			throw new Error("the bank is closed");
		});
	}

	async summary(): Promise<string> {
		const withdrawals = await this.ctx.storage.list<number>({ prefix: "withdrawal:" });
		return `${await this.ctx.storage.get("balance")} after ${withdrawals.size}`;
	}
}

export default {
	async fetch(request: Request, env: Env): Promise<Response> {
		const url = new URL(request.url);
		const account = env.ACCOUNT.getByName("joint");
		const amount = Number(url.searchParams.get("amount"));
		switch (url.pathname) {
			case "/keys":
				return Response.json(await account.updateMultipleKeys());
			case "/deposit":
				return new Response(String(await account.deposit(amount)));
			case "/withdraw": {
				const times = Number(url.searchParams.get("times") ?? 1);
				const done = await Promise.all(Array.from({ length: times }, () => account.withdraw(amount)));
				return new Response(String(done.filter(Boolean).length));
			}
			case "/fail":
				try {
					await account.withdrawAndFail(amount);
					return new Response("it did not fail");
				} catch (e) {
					return new Response((e as Error).message);
				}
			case "/summary":
				return new Response(await account.summary());
		}
		return new Response("no such thing", { status: 404 });
	},
} satisfies ExportedHandler<Env>;
