package sample

import (
	"errors"
	"fmt"
	"math"
)

// Params is what one request asks for. The zero value is greedy decoding with nothing else.
type Params struct {
	Temperature float32 // 0: greedy
	TopK        int     // 0: off; 1: greedy
	TopP        float32 // 0 or 1: off
	MinP        float32 // 0: off
	TypicalP    float32 // 0 or 1: off

	RepetitionPenalty float32 // 0 or 1: off; above 1 discourages ids of the history
	PresencePenalty   float32 // 0: off
	FrequencyPenalty  float32 // 0: off
	NoRepeatNGram     int     // 0: off; no n-gram of this size occurs twice

	LogitBias map[uint32]float32
	Banned    []uint32 // never picked

	PromptTokens int      // how many ids of a history are the prompt: presence, frequency and MinTokens leave them out
	MinTokens    int      // StopIDs are banned until so many ids are generated
	StopIDs      []uint32 // ids that end the text

	Seed        uint64 // requests with the same seed and text get the same tokens
	LogProbs    bool   // fill Choice.LogProb
	TopLogProbs int    // how many of the most likely ids to report in Choice.Top; implies LogProbs
}

// Validate reports the first parameter that is out of its range.
func (p Params) Validate() error {
	for _, c := range []struct {
		name   string
		v      float32
		lo, hi float64
	}{
		{"temperature", p.Temperature, 0, math.MaxFloat32},
		{"top_p", p.TopP, 0, 1},
		{"min_p", p.MinP, 0, 1},
		{"typical_p", p.TypicalP, 0, 1},
		{"repetition_penalty", p.RepetitionPenalty, 0, math.MaxFloat32},
		{"presence_penalty", p.PresencePenalty, -math.MaxFloat32, math.MaxFloat32},
		{"frequency_penalty", p.FrequencyPenalty, -math.MaxFloat32, math.MaxFloat32},
	} {
		if v := float64(c.v); !(v >= c.lo && v <= c.hi) {
			return fmt.Errorf("sample: %s is %v: want %s", c.name, c.v, bounds(c.lo, c.hi))
		}
	}
	for _, c := range []struct {
		name string
		v    int
	}{
		{"top_k", p.TopK}, {"no_repeat_ngram", p.NoRepeatNGram}, {"prompt tokens", p.PromptTokens},
		{"min_tokens", p.MinTokens}, {"top_logprobs", p.TopLogProbs},
	} {
		if c.v < 0 {
			return fmt.Errorf("sample: %s is %d: want 0 or more", c.name, c.v)
		}
	}
	for id, b := range p.LogitBias {
		if math.IsNaN(float64(b)) || math.IsInf(float64(b), 1) {
			return fmt.Errorf("sample: logit_bias of id %d is %v: want a number, or -Inf to ban the id", id, b)
		}
	}
	return nil
}

func bounds(lo, hi float64) string {
	switch {
	case hi <= 1:
		return fmt.Sprintf("%v to %v", lo, hi)
	case lo == 0:
		return "a finite number of 0 or more"
	}
	return "a finite number"
}

// validateIDs reports the first id that the vocabulary does not have.
func (p Params) validateIDs(vocab int) error {
	if vocab <= 0 {
		return errors.New("sample: the vocabulary is empty")
	}
	for id := range p.LogitBias {
		if int64(id) >= int64(vocab) {
			return fmt.Errorf("sample: logit_bias names id %d: the vocabulary has ids 0 to %d", id, vocab-1)
		}
	}
	for _, ids := range [][]uint32{p.Banned, p.StopIDs} {
		for _, id := range ids {
			if int64(id) >= int64(vocab) {
				return fmt.Errorf("sample: id %d is banned or stops: the vocabulary has ids 0 to %d", id, vocab-1)
			}
		}
	}
	return nil
}

// greedy reports whether there is nothing to draw.
func (p Params) greedy() bool { return p.Temperature == 0 || p.TopK == 1 }
