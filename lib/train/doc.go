// Package train is pre-training: one loop from token shards to a model, which is watched and steered while it runs.
//
//	shards ── mix.Stream ──▶ rows ── micro-batches ──▶ model.Trainer ──▶ gradients ── clip, guard ──▶ optim.Optimizer ──▶ weights
//	                                                                                     │
//	metrics.jsonl, TensorBoard, Chart ◀── Record ◀───────────────────────────────────────┘        checkpoints ◀── copy ◀── weights
//
// [Start] returns at once; the loop is a goroutine of its own. What another goroutine or cell asks of a [Run] (a new learning rate, an
// evaluation, a sample) the loop does between two steps, so it never meets half a step, and no caller can stop the run by going away.
// Everything of a run lies in its directory: config.json, metrics.jsonl, event files, checkpoints, and the finished model.
// A Start in a directory with a checkpoint continues there.
//
// A checkpoint is a copy of the weights and moments, which the loop waits for, and which is written behind its back. Memory is reserved for it
// when the run starts.
//
// Invariant: a run is a function of its configuration, its data and the calls that steered it: the same bits with any number of
// threads, and when it was stopped or killed and resumed anywhere on the way.
// Invariant: a step whose loss or gradients are not finite never reaches the weights.
//
// Deliberately absent: several machines, fine-tuning objectives, benchmarks of the finished model, a search for good settings, and fp16, the only type whose gradients
// need their loss scaled: bf16 is as fast and has the range of f32.
package train
