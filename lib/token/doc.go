// Package token turns text into token ids and back, exactly as the tokenizers of published models do, and trains new ones.
//
// # Data flow
//
// Encoding: text is cut at added tokens (special tokens among them), each stretch between them is normalised, cut into
// pre-tokens, and every pre-token goes through the model (BPE, Unigram, WordPiece or WordLevel), which appends ids. Decoding: every id has a surface,
// computed when the tokenizer is loaded; surfaces are concatenated, and the few rules that depend on position (a dummy
// space at the start, runs of byte tokens) are applied on the way.
//
//	added.go      cuts text at added tokens              hfnorm.go     Hugging Face normalisers; spnorm.go SentencePiece's
//	split.go      hand-written splitters                 regex.go      every other pattern, through regexp2
//	bpe.go        merging, table of pairs, word cache    unigram.go    Viterbi over a trie; hfmodel.go WordPiece and WordLevel
//	decode.go     surfaces and streams                   batch.go      Arrow columns on all cores
//	spmodel.go    .model files                           hfjson.go     tokenizer.json; ranks.go tiktoken's, gguf.go GGUF's
//	trainbpe.go, trainunigram.go                         training, written by write.go
//
// # Speed
//
// Byte-level models never see the printable alphabet of GPT-2: their vocabulary is turned into raw bytes when it is
// loaded, so a pre-token is a piece of the input. SentencePiece models write a space as U+2581; in memory it is a plain
// space, so that most input is its own normal form. A SentencePiece BPE model has no pre-tokens: text is cut between two
// characters that stand side by side in no piece of the vocabulary, which no merge can bridge; therefore the result is
// the same as for the whole text. Words met before come from a direct-mapped cache of one line of memory each.
//
// **Invariant:** ids equal those of the reference implementation (sentencepiece 0.1.97, tiktoken, Hugging Face
// tokenizers) for every input, valid UTF-8 or not where the reference takes it.
//
// **Invariant:** Decode(Encode(s)) = s for every byte string s with byte-level models, and for every valid UTF-8 string
// without U+2581 with SentencePiece models that have byte fallback and no normaliser.
//
// **Invariant:** a Tokenizer never changes after it is made and may be shared by goroutines; its caches are lent to one
// encoding at a time.
//
// **Invariant:** model files are hostile: a malformed one gives an error, and what is allocated is bounded by its size.
//
// Absent on purpose: padding (packing is training's), sampling (BPE dropout, n-best), pairs of sequences.
//
// Theory: Sennrich et al. 2016, arXiv:1508.07909 (BPE); Kudo 2018, arXiv:1804.10959 (Unigram); Kudo and Richardson
// 2018, arXiv:1808.06226 (SentencePiece); Radford et al. 2019 (byte-level BPE).
package token
