package model

import "fmt"

// Family is the architecture's name as Hugging Face's model_type has it. It decides how files name things; the computation is decided by the flags of Config.
type Family string

const (
	InternLM2 Family = "internlm2"
	Llama     Family = "llama"
	Qwen2     Family = "qwen2"
	Mistral   Family = "mistral"
)

// Config describes a model in Hugging Face's terms. The zero value is not valid; see Preset, Depth and ParseConfig.
type Config struct {
	Family           Family
	HiddenSize       int // C
	IntermediateSize int // F
	NumLayers        int // L
	NumHeads         int // H
	NumKVHeads       int // Hkv: divides NumHeads
	HeadDim          int // D: even
	VocabSize        int // V
	MaxSeqLen        int // trained length, max_position_embeddings

	RMSNormEps  float64
	RopeTheta   float64
	RopeScaling RopeScaling
	// RopeInterleaved rotates neighbouring pairs, as Meta's and llama2.c's files do, instead of halves, as Hugging Face's. Readers of checkpoints permute the
	// rows of query and key instead wherever they can.
	RopeInterleaved bool

	QKVBias           bool
	OutBias           bool
	MLPBias           bool
	TieWordEmbeddings bool // the head is the embedding table
	NormHead          bool // logits use the head's rows divided by their length (InternEvo's norm_head)
	SlidingWindow     int  // a token sees that many keys, itself included; 0: all

	BOS, EOS []uint32 // token ids; a text may end with any of EOS
	Pad      *uint32  // nil: none
}

// RopeScaling stretches positions beyond the trained length. The zero value is off.
type RopeScaling struct {
	Type   string // "", "linear", "dynamic" (NTK) or "llama3"
	Factor float64
	// Llama 3.1's fields: wavelengths above OriginalMaxSeqLen/LowFreqFactor are stretched, those below OriginalMaxSeqLen/HighFreqFactor are not.
	LowFreqFactor, HighFreqFactor float64
	OriginalMaxSeqLen             int
}

// maxSize bounds every size of a configuration, and maxParams all of them together: files are hostile, and products of sizes must not overflow.
const (
	maxSize   = 1 << 24
	maxParams = 1 << 42
)

// Validate reports the first thing that is wrong with c.
func (c Config) Validate() error {
	switch c.Family {
	case InternLM2, Llama, Qwen2, Mistral:
	default:
		return fmt.Errorf("model: family %q: want internlm2, llama, qwen2 or mistral", string(c.Family))
	}
	for _, s := range []struct {
		name string
		n    int
	}{
		{"hidden size", c.HiddenSize}, {"intermediate size", c.IntermediateSize}, {"number of layers", c.NumLayers}, {"number of heads", c.NumHeads},
		{"number of KV heads", c.NumKVHeads}, {"head dim", c.HeadDim}, {"vocabulary size", c.VocabSize}, {"sequence length", c.MaxSeqLen},
	} {
		if s.n < 1 || s.n > maxSize {
			return fmt.Errorf("model: %s %d: want 1 to %d", s.name, s.n, maxSize)
		}
	}
	if c.NumHeads%c.NumKVHeads != 0 {
		return fmt.Errorf("model: %d heads cannot share %d KV heads evenly", c.NumHeads, c.NumKVHeads)
	}
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("model: head dim %d: RoPE needs an even number", c.HeadDim)
	}
	if n := c.floatParams(); n > maxParams {
		return fmt.Errorf("model: %.3g parameters: more than %.3g are surely a mistake", n, float64(maxParams))
	}
	return c.validateFlags()
}

func (c Config) validateFlags() error {
	switch {
	case !(c.RMSNormEps >= 0 && c.RMSNormEps < 1):
		return fmt.Errorf("model: RMSNorm eps %v: want 0 to 1", c.RMSNormEps)
	case !(c.RopeTheta >= 1 && c.RopeTheta <= 1e15):
		return fmt.Errorf("model: rope theta %v: want 1 to 1e15", c.RopeTheta)
	case c.SlidingWindow < 0:
		return fmt.Errorf("model: sliding window %d: want 0 (none) or more", c.SlidingWindow)
	case c.NormHead && c.TieWordEmbeddings:
		return fmt.Errorf("model: a normalised head cannot be the embedding table: norm_head needs tie_word_embeddings false")
	case c.Family == InternLM2 && c.QKVBias != c.OutBias:
		return fmt.Errorf("model: internlm2 has one flag for the biases of wqkv and wo: want both or none")
	case c.Family == InternLM2 && c.MLPBias:
		return fmt.Errorf("model: internlm2 has no biases in the feed-forward layer")
	case c.Family == Qwen2 && (c.OutBias || c.MLPBias):
		return fmt.Errorf("model: qwen2 has biases in query, key and value only")
	case c.Family == Mistral && (c.QKVBias || c.OutBias || c.MLPBias):
		return fmt.Errorf("model: mistral has no biases")
	case c.Family == Llama && c.QKVBias != c.OutBias:
		return fmt.Errorf("model: llama has one flag for the biases of attention: want all or none")
	case (c.Family == InternLM2 || c.Family == Llama) && c.SlidingWindow > 0:
		return fmt.Errorf("model: %s has no sliding window", c.Family)
	}
	for _, ids := range [][]uint32{c.BOS, c.EOS} {
		for _, id := range ids {
			if int64(id) >= int64(c.VocabSize) {
				return fmt.Errorf("model: special token %d is outside the vocabulary of %d", id, c.VocabSize)
			}
		}
	}
	return c.RopeScaling.validate()
}

func (s RopeScaling) validate() error {
	switch s.Type {
	case "":
		if s != (RopeScaling{}) {
			return fmt.Errorf("model: rope scaling has numbers but no type: want linear, dynamic or llama3")
		}
		return nil
	case "linear", "dynamic", "llama3":
	default:
		return fmt.Errorf("model: rope scaling %q: want linear, dynamic or llama3", s.Type)
	}
	if !(s.Factor >= 1 && s.Factor <= 1e6) {
		return fmt.Errorf("model: rope scaling factor %v: want 1 to 1e6", s.Factor)
	}
	if s.Type == "llama3" && !(s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.HighFreqFactor <= 1e6 && s.OriginalMaxSeqLen > 0 && s.OriginalMaxSeqLen <= maxSize) {
		return fmt.Errorf("model: rope scaling llama3 needs 0 < low_freq_factor < high_freq_factor and original_max_position_embeddings, have %v, %v, %d", s.LowFreqFactor, s.HighFreqFactor, s.OriginalMaxSeqLen)
	}
	return nil
}

// QKVRows is the number of rows of the fused attention projection: (H+2·Hkv)·D.
func (c Config) QKVRows() int { return (c.NumHeads + 2*c.NumKVHeads) * c.HeadDim }
