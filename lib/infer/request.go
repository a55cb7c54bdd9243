package infer

import (
	"errors"
	"fmt"
	"slices"

	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
	"quire/lib/token"
)

// Request asks for a continuation of a text. The zero value of everything but the prompt is greedy decoding until the model ends the text.
type Request struct {
	Prompt string   // encoded as text, with what the tokenizer's template adds: for conversations use lib/chat and IDs
	IDs    []uint32 // instead of Prompt

	sample.Params // PromptTokens is filled in; StopIDs are added to the model's own

	MaxTokens int      // 0: as many as fit
	Stop      []string // the text ends before any of these, which is left out
	IgnoreEOS bool     // the model's own end of text does not end it

	RepetitionNGram int // a text that goes in circles ends: when its last so many generated ids occur for the RepetitionLimit-th time; 0: off. LMDeploy's repetition_ngram_size and _threshold
	RepetitionLimit int

	N             int     // independent continuations, of seeds Seed, Seed+1 …; 0: 1
	Beams         int     // beam search of this width, of which the N best come; 0: off
	LengthPenalty float32 // beams are ranked by the sum of log-probabilities divided by length to this power; 0 means 1

	Grammar  *grammar.Grammar // the text is held to it
	Priority int              // higher is served first
}

// Finish says why a text ended.
type Finish string

const (
	Unfinished Finish = ""
	Stop       Finish = "stop"   // the model's end of text, a stop id or string, or the grammar's end
	Length     Finish = "length" // MaxTokens, or no room for more
)

// Token is one step of a text.
type Token struct {
	Index   int    // which of the N texts
	ID      uint32 // as sampled; the id that ended the text is among them
	Text    string // what is certain of the text by now and was not given before: often whole words late, never half a character, never a stop string
	LogProb float32
	Top     []sample.TokenProb // the most likely ids, if asked for
	Finish  Finish             // not empty on the last token of a text
}

// Text is a whole continuation.
type Text struct {
	Text   string
	Tokens []Token
	Finish Finish
	Score  float32 // sum of log-probabilities, if they were asked for; of beams divided by length to LengthPenalty
	Prompt int     // tokens of the prompt
}

// prepare checks r against the model and encodes its prompt; begun says that the prompt goes on a text.
func (e *Engine) prepare(r *Request, before int) error {
	if r.Prompt != "" && r.IDs != nil {
		return errors.New("infer: the request has both Prompt and IDs: give one")
	}
	if r.IDs == nil {
		if e.tok == nil {
			return errors.New("infer: the engine has no tokenizer: give the prompt as IDs")
		}
		ids, err := e.tok.Encode(r.Prompt, token.Options{Template: before == 0})
		if err != nil {
			return fmt.Errorf("infer: prompt: %w", err)
		}
		r.IDs = ids
	}
	if err := e.checkIDs("prompt", r.IDs); err != nil {
		return err
	}
	total := before + len(r.IDs)
	switch {
	case total == 0:
		return errors.New("infer: the prompt is empty: give at least the id that begins a text")
	case total >= e.MaxLen():
		return fmt.Errorf("infer: the prompt has %d tokens: the engine takes texts of up to %d, answer included", total, e.MaxLen())
	case r.MaxTokens < 0 || r.N < 0 || r.Beams < 0:
		return fmt.Errorf("infer: MaxTokens %d, N %d, Beams %d: want 0 (default) or more", r.MaxTokens, r.N, r.Beams)
	case r.RepetitionNGram < 0 || r.RepetitionLimit < 0 || (r.RepetitionNGram > 0) != (r.RepetitionLimit > 1):
		return fmt.Errorf("infer: RepetitionNGram %d, RepetitionLimit %d: want 0 and 0 (off), or a size and at least 2 times", r.RepetitionNGram, r.RepetitionLimit)
	case r.Beams > 0 && r.N > r.Beams:
		return fmt.Errorf("infer: N is %d: %d beams give no more texts than that", r.N, r.Beams)
	case r.Grammar != nil && e.tok == nil:
		return errors.New("infer: a grammar needs a tokenizer, and the engine has none")
	case slices.Contains(r.Stop, ""):
		return errors.New("infer: a stop string is empty")
	case len(r.Stop) > 0 && e.tok == nil:
		return errors.New("infer: stop strings need a tokenizer, and the engine has none: use StopIDs")
	}
	if room := e.MaxLen() - total; r.MaxTokens == 0 || r.MaxTokens > room {
		r.MaxTokens = room
	}
	r.N = max(r.N, 1)
	r.PromptTokens = total
	if !r.IgnoreEOS {
		r.StopIDs = slices.Concat(r.StopIDs, e.c.EOS)
		if e.tok != nil {
			if id, ok := e.tok.EOS(); ok && int(id) < e.c.VocabSize {
				r.StopIDs = append(r.StopIDs, id)
			}
		}
		slices.Sort(r.StopIDs)
		r.StopIDs = slices.Compact(r.StopIDs)
	}
	return nil
}

func (e *Engine) checkIDs(what string, ids []uint32) error {
	for i, id := range ids {
		if int64(id) >= int64(e.c.VocabSize) {
			return fmt.Errorf("infer: %s: token %d has id %d: the model's vocabulary has %d", what, i, id, e.c.VocabSize)
		}
	}
	return nil
}
