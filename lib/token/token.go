package token

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
)

// Policy says what the text of a special token means when it stands in the input.
type Policy uint8

const (
	AsText Policy = iota // ordinary text: input cannot forge a special token
	Allow                // the special token
	Forbid               // an error
)

// ParsePolicy reads "allow", "forbid" or "text".
func ParsePolicy(s string) (Policy, error) {
	i := slices.Index([]string{"text", "allow", "forbid"}, s)
	if i < 0 {
		return AsText, fmt.Errorf("token: special-token policy %q: want allow, forbid or text", s)
	}
	return Policy(i), nil
}

// Options of one encoding. The zero value encodes everything as text, adds nothing and keeps all.
type Options struct {
	Special   Policy
	Template  bool // add what the tokenizer's own template adds: BOS for Llama, [CLS] and [SEP] for BERT
	MaxTokens int  // truncate to this many ids, the template's included; 0 is no limit
	KeepEnd   bool // truncation drops the beginning of the text, not its end
}

// Span is a range of bytes of the input, [Start, End).
type Span struct{ Start, End int }

// Tokenizer holds a vocabulary and how to use it. It never changes after loading; goroutines may share it.
type Tokenizer struct {
	vocabulary
	added addedTokens // cut out of the text before anything else
	norm  normalizer  // nil: text is used as it is
	pre   pretokenizer
	split splitter // the whole of pre, where a hand-written splitter exists
	model model
	dec   decoding

	prefix, suffix []uint32 // the template
	pattern        string   // of a byte-level model's pre-tokenizer
	raw            bool     // pieces are raw bytes (tiktoken), not GPT-2's alphabet
	sp             *spModel // what a SentencePiece model was made of

	mu   sync.Mutex
	idle []*state
}

// model encodes one pre-token.
type model interface {
	// encode appends the ids of s to st.ids and, when st.track is set, where each ends in s to st.ends.
	encode(st *state, s string) error
}

// state is the scratch of one encoding at a time.
type state struct {
	ids     []uint32
	ends    []int
	spans   []Span
	track   bool
	prevUnk bool // the last id of this stretch is the unknown token (SentencePiece fuses runs of them)

	cache *wordCache
	merge mergeScratch
	latt  []latticeNode
	a, b  buffer // the normal form, and the text it is made of
}

// Encode returns the ids of text. It fails only when the policy is Forbid and text holds a special token, or when a
// pattern of the tokenizer takes longer than its time limit.
func (t *Tokenizer) Encode(text string, opt Options) ([]uint32, error) {
	st := t.acquire()
	defer t.release(st)
	if err := t.run(st, text, opt); err != nil {
		return nil, err
	}
	return append(make([]uint32, 0, len(st.ids)), st.ids...), nil
}

// AppendEncode appends the ids of text to dst.
func (t *Tokenizer) AppendEncode(dst []uint32, text string, opt Options) ([]uint32, error) {
	st := t.acquire()
	defer t.release(st)
	if err := t.run(st, text, opt); err != nil {
		return dst, err
	}
	return append(dst, st.ids...), nil
}

// EncodeSpans is Encode that also tells which bytes of text each id stands for. Ids that the template adds have empty
// spans at the ends of the text; a space that the normaliser adds has an empty span too.
func (t *Tokenizer) EncodeSpans(text string, opt Options) ([]uint32, []Span, error) {
	st := t.acquire()
	defer t.release(st)
	st.track = true
	if err := t.run(st, text, opt); err != nil {
		return nil, nil, err
	}
	return slices.Clone(st.ids), slices.Clone(st.spans), nil
}

// Count returns how many ids Encode would give.
func (t *Tokenizer) Count(text string, opt Options) (int, error) {
	st := t.acquire()
	defer t.release(st)
	err := t.run(st, text, opt)
	return len(st.ids), err
}

func (t *Tokenizer) run(st *state, text string, opt Options) error {
	if err := t.sections(st, text, opt.Special); err != nil {
		return err
	}
	return t.finish(st, len(text), opt)
}

// finish truncates and adds the template.
func (t *Tokenizer) finish(st *state, size int, opt Options) error {
	extra := 0
	if opt.Template {
		extra = len(t.prefix) + len(t.suffix)
	}
	if opt.MaxTokens > 0 {
		if opt.MaxTokens < extra {
			return fmt.Errorf("token: MaxTokens %d leaves no room for the %d tokens of the template", opt.MaxTokens, extra)
		}
		st.truncate(opt.MaxTokens-extra, opt.KeepEnd)
	}
	if extra == 0 {
		return nil
	}
	st.ids = append(slices.Insert(st.ids, 0, t.prefix...), t.suffix...)
	if st.track {
		st.spans = slices.Insert(st.spans, 0, make([]Span, len(t.prefix))...)
		for range t.suffix {
			st.spans = append(st.spans, Span{size, size})
		}
	}
	return nil
}

func (st *state) truncate(n int, keepEnd bool) {
	over := len(st.ids) - n
	if over <= 0 {
		return
	}
	from := 0
	if keepEnd {
		from = over
	}
	st.ids = append(st.ids[:0], st.ids[from:from+n]...)
	if st.track {
		st.spans = append(st.spans[:0], st.spans[from:from+n]...)
	}
}

// acquire lends an idle state, or a new one when all are in use.
func (t *Tokenizer) acquire() *state {
	t.mu.Lock()
	var st *state
	if n := len(t.idle); n > 0 {
		st, t.idle = t.idle[n-1], t.idle[:n-1]
	}
	t.mu.Unlock()
	if st == nil {
		st = &state{cache: new(wordCache)}
	}
	st.ids, st.ends, st.spans, st.track = st.ids[:0], st.ends[:0], st.spans[:0], false
	return st
}

// maxScratch bounds the ids that an idle state keeps room for.
const maxScratch = 1 << 20

func (t *Tokenizer) release(st *state) {
	if cap(st.ids) > maxScratch {
		*st = state{cache: st.cache}
	}
	st.b = buffer{} // the text is the caller's
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.idle) < runtime.GOMAXPROCS(0) {
		t.idle = append(t.idle, st)
	}
}
