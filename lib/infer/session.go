package infer

import (
	"context"
	"errors"
	"iter"
	"slices"
)

// Session is a text that grows: prompts and answers one after another, whose keys and values stay while there is room and are computed again where they did not. Its methods are for one
// goroutine at a time. A session that is no longer needed should be closed, or its pages stay until the engine needs them.
type Session struct {
	e   *Engine
	seq *sequence
}

// Session begins an empty text.
func (e *Engine) Session() *Session { return &Session{e: e, seq: &sequence{}} }

// IDs returns the text so far.
func (s *Session) IDs() []uint32 {
	var ids []uint32
	if s.e.call(func() { ids = slices.Clone(s.seq.ids) }) != nil {
		ids = slices.Clone(s.seq.ids)
	}
	return ids
}

// Generate appends the request's prompt and then what the model continues it with. An answer that is cancelled stays as far as it came. N and Beams must be 0 or 1.
func (s *Session) Generate(ctx context.Context, r Request) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if r.N > 1 || r.Beams > 1 {
			yield(Token{}, errors.New("infer: a session has one answer: fork it for several"))
			return
		}
		r.N, r.Beams = 1, 0
		ids := s.IDs()
		if err := s.e.prepare(&r, len(ids)); err != nil {
			yield(Token{}, err)
			return
		}
		r.IDs = append(ids, r.IDs...)
		err := s.e.call(func() {
			s.e.unpark(s.seq)
			s.seq.ids = r.IDs
		})
		if err != nil {
			yield(Token{}, err)
			return
		}
		s.e.generate(ctx, r, s.seq, s, yield)
	}
}

// returned parks the sequence after an answer, in the loop.
func (s *Session) returned(e *Engine, seq *sequence) {
	e.unpark(seq)
	e.park(seq)
}

// Fork returns a second session with the same text. Both share pages until they differ.
func (s *Session) Fork() (*Session, error) {
	f := &Session{e: s.e}
	err := s.e.call(func() {
		f.seq = s.seq.fork(s.e.pages)
		s.e.park(f.seq)
	})
	return f, err
}

// Close gives the session's pages back. What it had is still in the prefix cache, if the engine keeps one.
func (s *Session) Close() error {
	return s.e.call(func() {
		s.e.unpark(s.seq)
		s.seq.drop(s.e.pages)
	})
}
