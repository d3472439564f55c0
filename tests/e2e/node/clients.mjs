// Runs one scenario of a Redis client for Node.js against a node:
//     node clients.mjs SCENARIO PORT [NODES]
// Prints one JSON object and ends with status 0, or the error and status 1.

import assert from "node:assert/strict";

const [scenario, port, nodes] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4] ?? 1)];

async function ioredis() {
  const { default: Redis } = await import("ioredis");
  const client = new Redis({ port, maxRetriesPerRequest: 1 });
  await exercise(client, {
    set: (key, value) => client.set(key, value),
    multi: (keys) => keys.reduce((chain, key) => chain.incr(key), client.multi()).exec(),
  });
  const expiring = await client.set("e", "1", "EX", 100, "NX");
  assert.equal(expiring, "OK");
  assert.ok((await client.ttl("e")) > 90);
  assert.deepEqual(await client.getBuffer("blob"), Buffer.from([0, 13, 10, 255]));
  const piped = await client.pipeline([["set", "p", "1"], ["incr", "p"], ["get", "p"]]).exec();
  assert.deepEqual(piped, [[null, "OK"], [null, 2], [null, "2"]]);
  await assert.rejects(client.call("NOPE"), /unknown command 'NOPE'/);
  let found = 0;
  for await (const keys of client.scanStream({ match: "many:*", count: 100 })) found += keys.length;
  assert.equal(found, 1000);
  await client.quit();
}

async function ioredisCluster() {
  const { default: Redis } = await import("ioredis");
  const client = new Redis.Cluster([{ host: "127.0.0.1", port }]);
  await Promise.all(range(300).map((i) => client.set(`k${i}`, i)));
  const values = await Promise.all(range(300).map((i) => client.get(`k${i}`)));
  assert.deepEqual(values, range(300).map(String));
  const masters = client.nodes("master");
  assert.equal(masters.length, nodes);
  const sizes = await Promise.all(masters.map((master) => master.dbsize()));
  assert.equal(sizes.reduce((sum, size) => sum + size), 300);
  const piped = await client.pipeline([["set", "{p}a", "1"], ["incr", "{p}a"], ["get", "{p}b"]]).exec();
  assert.deepEqual(piped, [[null, "OK"], [null, 2], [null, null]]);
  assert.deepEqual(await client.mget("{k}1", "{k}2"), [null, null]);
  await client.quit();
}

async function nodeRedis(protocol) {
  const { createClient } = await import("redis");
  const client = createClient({ socket: { port, host: "127.0.0.1" }, RESP: protocol });
  await client.connect();
  await exercise(client, {
    set: (key, value) => client.set(key, value),
    multi: (keys) => keys.reduce((chain, key) => chain.incr(key), client.multi()).exec(),
  });
  assert.equal(await client.set("e", "1", { EX: 100, NX: true }), "OK");
  await assert.rejects(client.sendCommand(["NOPE"]), /unknown command 'NOPE'/);
  await client.watch("a");
  await client.sendCommand(["SET", "a", "changed"]);
  await assert.rejects(client.multi().get("a").exec());
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: "many:*", COUNT: 100 })) {
    for (const key of [keys].flat()) seen.add(key);
  }
  assert.equal(seen.size, 1000);
  await client.quit();
}

async function nodeRedisCluster() {
  const { createCluster } = await import("redis");
  const client = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  await client.connect();
  await Promise.all(range(300).map((i) => client.set(`k${i}`, String(i))));
  const values = await Promise.all(range(300).map((i) => client.get(`k${i}`)));
  assert.deepEqual(values, range(300).map(String));
  assert.equal(new Set(client.masters.map((master) => master.address)).size, nodes);
  assert.deepEqual(await client.multi().set("{p}a", "1").incr("{p}a").exec(), ["OK", 2]);
  await client.quit();
}

// What both libraries spell alike.
async function exercise(client, { set, multi }) {
  await set("a", "1");
  assert.equal(await client.get("a"), "1");
  assert.equal(await client.get("none"), null);
  assert.equal(await client.incr("a"), 2);
  await set("blob", Buffer.from([0, 13, 10, 255]));
  await set("ключ", "значение");
  assert.equal(await client.get("ключ"), "значение");
  assert.equal(await client.del(["ключ"]), 1);
  const replies = (await multi(["n", "n", "n"])).flat().filter((reply) => reply !== null);
  assert.deepEqual(replies, [1, 2, 3]);
  await Promise.all(range(1000).map((i) => set(`many:${i}`, String(i))));
  const values = await Promise.all(range(1000).map((i) => client.get(`many:${i}`)));
  assert.deepEqual(values, range(1000).map(String));
}

function range(count) {
  return [...Array(count).keys()];
}

const scenarios = {
  ioredis,
  "ioredis-cluster": ioredisCluster,
  "node-redis": () => nodeRedis(2),
  "node-redis-cluster": nodeRedisCluster,
};

try {
  await scenarios[scenario]();
  console.log(JSON.stringify({ scenario, ok: true }));
  process.exit(0);
} catch (error) {
  console.error(error);
  process.exit(1);
}
