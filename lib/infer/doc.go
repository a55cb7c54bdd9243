// Package infer runs language models: it generates, scores and embeds texts, many at a time, with memory that is bounded and shared.
//
// # How a request flows
//
//	request.go    what is asked for, checked before anything is computed
//	generate.go   one job a text: samples, looks for the end, streams tokens      beam.go, score.go, embed.go: other jobs
//	session.go    a text that grows, and forks
//	engine.go     the loop: takes what is new, plans a step, runs it              schedule.go: who computes how many tokens
//	step.go       one forward pass for all tasks of a step, outputs handed out
//	runner.go     the model with its paged caches                                 speculate.go: guesses that are verified in a step
//	sequence.go   a text's pages: reserve, fork, copy on write, drop              pages.go: references, prefix cache, LRU
//	open.go       a model's files; packed.go: weights in the kernels' layout, kept on disk
//
// Sampling is lib/infer/sample, constrained decoding lib/infer/grammar. Conversations become token ids in lib/chat.
//
// A task is a job on a sequence: tokens with the pages of 64 that hold their keys and values. Every step computes some tokens of some tasks in one pass; a job receives the outputs it wants (rows of
// logits, or hidden states) and settles what follows. All state belongs to one goroutine, the loop, which exists while there is work; other goroutines send it functions.
//
// # Rules
//
// **Invariant:** a text is the same, bit for bit in its log-probabilities, alone or in any batch, in chunks of any size, with or without the prefix cache and speculation, and when it was evicted
// and computed again: products and attention of the Backend do not mix rows, and the random number of a place depends on the seed and the place alone.
//
// **Invariant:** a page has as many references as sequences use it; with no task, session or beam left, every page is free or cached.
//
// **Invariant:** a full page is never written again; a page that two sequences share is copied before one of them writes to it.
//
// **Invariant:** the first task in order can always be computed: whatever comes after it gives its pages up.
//
// **Invariant:** a task that ends, for whatever reason, says so to its reader exactly once.
//
// # What differs from others
//
// Speculation does not accept and reject by ratios of probabilities (Leviathan et al. 2023, arXiv:2211.17192): a guess is right if it is the token that is drawn at its place anyway, and a draft model
// draws with the same random number. So speculation leaves not only the distribution but every text of every seed as it was (Daliri et al. 2024, arXiv:2408.07978, drafter-invariant decoding).
//
// Dynamic NTK scaling (InternLM2 beyond its trained length) changes the rotation of every key with the length of the text. A sequence keeps the frequencies of the next power of two
// times the trained length, and is computed again when it outgrows them, so that its cache is always what a pass over the whole text would have computed.
//
// Deliberately absent: more than one model an engine, pipelines over machines, LoRA adapters at run time, vision towers.
//
// Theory: Kwon et al. 2023, arXiv:2309.06180 (paged attention); Yu et al. 2022 (Orca, continuous batching); Agrawal et al. 2024, arXiv:2403.02310 (chunked prefill); Zheng et al. 2023,
// arXiv:2312.07104 (prefix sharing); LMDeploy (blocks of 64, recompute after eviction).
package infer
