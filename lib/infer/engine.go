package infer

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"quire/lib/infer/grammar"
	"quire/lib/model"
	"quire/lib/token"
	"quire/simd"
	"quire/simd/dtype"
	"quire/simd/tensor"
)

// Config is how an engine uses the machine. The zero value is a good choice.
type Config struct {
	Backend    tensor.Backend // nil: simd.Default
	KV         dtype.Type     // type of the key-value cache: BF16, F16, F32, or quantised; None: that of the model's activations
	KVBits     int            // 8 or 4: keys and values as asymmetric codes of so many bits for each head and token, as LMDeploy keeps them; KV is not used then
	CacheBytes int64          // memory of the key-value cache; 0: what 8 texts of full length need, at most 2 GB
	MaxLen     int            // longest text in tokens, prompt and answer; 0: the model's trained length, times its factor if positions are scaled dynamically
	MaxSeqs    int            // texts that are computed together; 0: 64
	StepTokens int            // tokens of one step, which bounds how long a decoding text waits for prompts of others; 0: 512
	NoPrefix   bool           // keep nothing of finished texts
	PackedDir  string         // where Open keeps packed weights; "": the user's cache directory, NoPackedDir: nowhere

	Lookup int          // guess up to so many tokens by looking the last ones up in the text (n-gram speculation); 0: off
	Draft  *model.Model // guess with this model, which has the same vocabulary; nil: off
	Guess  int          // how many tokens Draft guesses at a time; 0: 4
}

// Engine generates, scores and embeds texts with one model, many at a time. Goroutines may share it. It computes in a goroutine of its own, which exists only while there is work.
type Engine struct {
	cfg Config
	tok *token.Tokenizer
	c   model.Config

	mu      sync.Mutex
	inbox   []func()
	running bool
	closed  error
	stats   Stats

	vocabs   map[string]*grammar.Vocab // of tok, by the ids that may end a text; made where a grammar is used
	kept     *keeper                   // of Open
	closers  []func() error
	arrivals uint64

	// what follows belongs to the loop
	main    *runner
	drafter drafter
	pages   *pages
	queue   queue
	idle    []*sequence // parked sequences that may hold pages, longest unused first
	count   Stats
}

// mostVocabs bounds the vocabularies that are kept: each differs by the stop ids that requests may choose.
const mostVocabs = 16

// vocab returns the vocabulary for constrained decoding of texts that these ids may end.
func (e *Engine) vocab(stops []uint32) *grammar.Vocab {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := fmt.Sprint(stops)
	v := e.vocabs[key]
	if v == nil {
		v = grammar.NewVocab(e.tok, stops...)
		if e.vocabs == nil || len(e.vocabs) == mostVocabs {
			e.vocabs = map[string]*grammar.Vocab{}
		}
		e.vocabs[key] = v
	}
	return v
}

// ErrClosed is what requests to a closed engine end with.
var ErrClosed = errors.New("infer: the engine is closed")

// Stats are counters since the engine was made, and what it holds now.
type Stats struct {
	Steps           int64
	ComputedTokens  int64 // that went through the model, wrong guesses left out
	CachedTokens    int64 // taken from the prefix cache
	GeneratedTokens int64
	Guessed         int64 // tokens that speculation proposed, and
	Accepted        int64 // how many of them were right
	Evictions       int64 // sequences that lost their pages and were or will be computed again
	Tasks           int   // texts in work or waiting
	Running         int   // of these, the ones that hold pages
	Pages           int   // of the key-value cache
	FreePages       int   // neither in use nor cached
	CachedPages     int   // kept for later prompts, given up when there is no room
}

// New makes an engine for a model. tok may be nil if requests bring token ids.
func New(m *model.Model, tok *token.Tokenizer, cfg Config) (*Engine, error) {
	c := m.Config()
	if err := cfg.fill(m); err != nil {
		return nil, err
	}
	kv := tensor.KVConfig{PageSize: BlockTokens, KVHeads: c.NumKVHeads, HeadDim: c.HeadDim, DType: cfg.KV, Bits: cfg.KVBits}
	if kv.Bits != 0 {
		kv.DType = dtype.F32
	}
	if err := kv.Validate(); err != nil {
		return nil, fmt.Errorf("infer: key-value cache: %w", err)
	}
	perPage := int64(c.NumLayers) * 2 * int64(BlockTokens*c.NumKVHeads*kv.RowBytes())
	most := int64(8 * blocks(cfg.MaxLen))
	n := min(most, max(2<<30/perPage, int64(blocks(cfg.MaxLen))))
	if cfg.CacheBytes > 0 {
		n = cfg.CacheBytes / perPage
	}
	if n < 1 {
		return nil, fmt.Errorf("infer: a cache of %d bytes: a page of %d tokens has %d", cfg.CacheBytes, BlockTokens, perPage)
	}
	main, err := newRunner(cfg.Backend, m, cfg.MaxLen, int(n), kv)
	if err != nil {
		return nil, fmt.Errorf("infer: key-value cache: %w", err)
	}
	e := &Engine{cfg: cfg, tok: tok, c: c, main: main, pages: newPages(int(n), !cfg.NoPrefix)}
	if e.drafter, err = newDrafter(e); err != nil {
		return nil, err
	}
	e.publishStats()
	return e, nil
}

// fill puts in the defaults.
func (cfg *Config) fill(m *model.Model) error {
	c := m.Config()
	if cfg.Backend == nil {
		cfg.Backend = simd.Default()
	}
	if cfg.KV == dtype.None {
		cfg.KV = m.DType()
	}
	if cfg.MaxLen == 0 {
		cfg.MaxLen = c.MaxSeqLen
		if c.RopeScaling.Type == "dynamic" {
			cfg.MaxLen = int(float64(c.MaxSeqLen) * c.RopeScaling.Factor)
		}
	}
	defaults := []struct {
		name  string
		v     *int
		value int
	}{{"MaxLen", &cfg.MaxLen, 0}, {"MaxSeqs", &cfg.MaxSeqs, 64}, {"StepTokens", &cfg.StepTokens, 512}, {"Lookup", &cfg.Lookup, 0}, {"Guess", &cfg.Guess, 4}}
	for _, d := range defaults {
		if *d.v < 0 {
			return fmt.Errorf("infer: %s is %d: want 0 (default) or more", d.name, *d.v)
		}
		if *d.v == 0 {
			*d.v = d.value
		}
	}
	return nil
}

// Model is the configuration of the model.
func (e *Engine) Model() model.Config { return e.c }

// Tokenizer is the tokenizer given to New, or nil.
func (e *Engine) Tokenizer() *token.Tokenizer { return e.tok }

// MaxLen is the longest text in tokens.
func (e *Engine) MaxLen() int { return min(e.cfg.MaxLen, len(e.pages.refs)*BlockTokens) }

// Stats returns the counters as of the last step.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

// Forget empties the prefix cache: call it after the model's weights have changed.
func (e *Engine) Forget() error { return e.call(func() { e.pages.forget() }) }

// Close ends all requests with ErrClosed and frees what Open mapped. An engine made by New needs it only to stop early.
func (e *Engine) Close() error {
	done := make(chan struct{})
	e.mu.Lock()
	if e.closed == nil {
		e.closed = ErrClosed
	}
	closers := e.closers
	e.closers = nil
	e.push(func() { e.failAll(ErrClosed); close(done) })
	e.mu.Unlock()
	<-done
	var err error
	for _, c := range closers {
		err = errors.Join(err, c())
	}
	return err
}

// do runs f in the loop, between two steps.
func (e *Engine) do(f func()) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed != nil {
		return e.closed
	}
	e.push(f)
	return nil
}

// call is do that waits.
func (e *Engine) call(f func()) error {
	done := make(chan struct{})
	if err := e.do(func() { defer close(done); f() }); err != nil {
		return err
	}
	<-done
	return nil
}

// push is do without the question whether the engine is open, under mu.
func (e *Engine) push(f func()) {
	e.inbox = append(e.inbox, f)
	if !e.running {
		e.running = true
		go e.loop()
	}
}

// loop runs while there is work. A panic of the model is a bug, but not a reason to take a notebook's session down: it ends the engine and every request with it.
func (e *Engine) loop() {
	for {
		e.mu.Lock()
		in := e.inbox
		e.inbox = nil
		if len(in) == 0 && len(e.queue.tasks) == 0 {
			e.running = false
			e.mu.Unlock()
			return
		}
		e.mu.Unlock()
		for _, f := range in {
			f()
		}
		if err := e.guarded(); err != nil {
			e.mu.Lock()
			e.closed = err
			e.mu.Unlock()
			e.failAll(err)
		}
		e.publishStats()
	}
}

// guarded takes one step.
func (e *Engine) guarded() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("infer: the engine stopped: %v\n%s", r, debug.Stack())
		}
	}()
	if step := e.plan(); len(step) > 0 {
		e.run(step)
	}
	return nil
}

func (e *Engine) failAll(err error) {
	for _, t := range slices.Clone(e.queue.tasks) {
		e.end(t, err)
	}
}

// submit queues a task.
func (e *Engine) submit(t *task) {
	e.arrivals++
	t.arrival, t.waiting = e.arrivals, true
	e.queue.add(t)
}

// end takes a task out and gives its pages back; err tells its job.
func (e *Engine) end(t *task, err error) {
	if t.ended {
		return
	}
	t.ended = true
	e.queue.remove(t)
	if e.drafter != nil {
		e.drafter.forget(t)
	}
	if err != nil {
		t.job.fail(e, t, err)
	}
	if t.sequence != nil && !slices.Contains(e.idle, t.sequence) {
		t.drop(e.pages)
	}
}

// park keeps a sequence, and its pages while there is room, for somebody who goes on with it later.
func (e *Engine) park(s *sequence) { e.idle = append(e.idle, s) }

// unpark takes it back.
func (e *Engine) unpark(s *sequence) {
	e.idle = slices.DeleteFunc(e.idle, func(o *sequence) bool { return o == s })
}

func (e *Engine) publishStats() {
	s := e.now()
	e.mu.Lock()
	e.stats = s
	e.mu.Unlock()
}

// now are the counters, in the loop.
func (e *Engine) now() Stats {
	s := e.count
	s.Tasks, s.Pages, s.FreePages, s.CachedPages = len(e.queue.tasks), len(e.pages.refs), len(e.pages.free), e.pages.trie.lru.n
	for _, t := range e.queue.tasks {
		if len(t.pages) > 0 {
			s.Running++
		}
	}
	return s
}
