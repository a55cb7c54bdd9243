// Package model owns what a language model computes: its configuration, its weights by role, one definition of the forward pass for training and
// for inference, and a backward pass written by hand, layer by layer.
//
// # Letters
//
// The same in every room of the library:
//
//	B sequences    T query tokens of all sequences together    S keys    C hidden    F intermediate    H query heads
//	Hkv KV heads   D head dim    V vocabulary    L layers    R rows of logits
//
// # How numbers flow
//
// A Config (config.go; Hugging Face's config.json in configjson.go) describes InternLM2, Llama, Qwen2 and Mistral in the same terms: the families differ in
// flags, not in code. Weights (weights.go) are plain tensors by role, in the layout that all code computes with: query, key and value rows are one matrix, gate
// and up rows are one matrix. Readers and writers of checkpoints translate; nobody else knows another layout.
//
// A layer (layer.go) is, for token rows x (T, C):
//
//	h = RMSNorm(x);  q, k, v = QKV(h);  q, k = RoPE(q, k);  x = x + Out(Attention(q, k, v))
//	h = RMSNorm(x);  g, u = GateUp(h);  x = x + Down(silu(g)·u)
//
// Model (model.go) runs it with weights packed for a Backend, over a paged KV cache or densely. Trainer (trainer.go) runs the same layer with unpacked weights,
// keeps what the backward pass (backward.go) needs, and adds up gradients in F32. All activations of a pass lie in buffers that are laid out before it starts (buffers.go);
// memory and arithmetic are counted by the same code that allocates (count.go).
//
// # Rules
//
// **Invariant:** batch composition never changes a number: a sequence alone, in a batch, or prefilled in chunks gives the same bits, because the Backend does and
// because nothing here mixes rows. Gradients of weights are sums over rows and depend on their order alone.
//
// **Invariant:** documents that share a packed row never see each other: attention stops at Cu, positions are the caller's.
//
// **Invariant:** the residual stream and its gradient are F32; what enters a product has the compute type (F32 or BF16), rounded once.
//
// **Invariant:** a pass allocates nothing but what Plan counted (and a Backend's own scratch).
//
// Deliberately absent: optimisers and schedules (lib/train), files (lib/checkpoint), sampling and cache pages (lib/infer), dropout, mixtures of experts, and any model
// zoo: a new architecture is a flag here or it is another package.
//
// Theory: Vaswani et al. 2017, arXiv:1706.03762; Touvron et al. 2023, arXiv:2307.09288 (Llama 2); Cai et al. 2024, arXiv:2403.17297 (InternLM2);
// Ainslie et al. 2023, arXiv:2305.13245 (grouped queries); Jiang et al. 2023, arXiv:2310.06825 (sliding window).
package model
