// llama.cpp through node-llama-cpp's own bindings: a line of JSON asks for work, a line answers with its seconds.
// Tokens are given, not sampled: what is timed is the model alone.
import { createInterface } from "node:readline";
import { getLlama } from "node-llama-cpp";

const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: "error" });
const { AddonModel, AddonContext } = llama._bindings;
let model, context;

const tokens = (n, from) => Uint32Array.from({ length: n }, (_, i) => 300 + ((from + i) * 37) % 30000);

async function run(parts) {
  context.initBatch(parts.reduce((n, p) => n + p.ids.length, 0));
  for (const p of parts) context.addToBatch(p.seq, p.at, p.ids, Uint32Array.of(p.ids.length - 1));
  await context.decodeBatch();
}

const commands = {
  async load({ path }) {
    if (context) await context.dispose();
    if (model) await model.dispose();
    context = undefined;
    model = new AddonModel(path, { addonExports: llama._bindings, gpuLayers: 0, useMmap: true });
    if (!(await model.init())) throw new Error("the model does not load");
  },
  async context({ size, seqs, threads }) {
    if (context) await context.dispose();
    context = new AddonContext(model, { contextSize: size, batchSize: 512, sequences: seqs, flashAttention: "auto", threads });
    if (!(await context.init())) throw new Error("the context does not start");
    context.setThreads(threads);
  },
  async prefill({ seq, at, n }) {
    for (let i = 0; i < n; i += 512) await run([{ seq, at: at + i, ids: tokens(Math.min(512, n - i), at + i) }]);
  },
  async decode({ seqs, at, n }) {
    for (let i = 0; i < n; i++) await run(Array.from({ length: seqs }, (_, seq) => ({ seq, at: at + i, ids: tokens(1, at + i + seq) })));
  },
  async forget({ seq, from }) { context.removeTokenCellsFromSequence(seq, from, -1); },
  async clear({ seqs }) { for (let s = 0; s < seqs; s++) context.disposeSequence(s); },
  async save({ path, n }) { await context.saveSequenceStateToFile(path, 0, tokens(n, 0)); },
  async restore({ path, size }) { await context.loadSequenceStateFromFile(path, 0, size); },
};

console.log(JSON.stringify({ about: llama.systemInfo, release: llama.llamaCppRelease.release }));
for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...args } = JSON.parse(line);
  const start = process.hrtime.bigint();
  try {
    await commands[op](args);
    console.log(JSON.stringify({ seconds: Number(process.hrtime.bigint() - start) / 1e9 }));
  } catch (err) {
    console.log(JSON.stringify({ error: String(err?.message ?? err) }));
  }
}
process.exit(0);
