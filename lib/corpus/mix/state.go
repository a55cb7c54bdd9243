package mix

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"
)

// State is where a stream stands: a small value that survives encoding/json without loss. It holds no tokens, and Rank and World are
// no part of it: a run may go on with another number of workers.
type State struct {
	Config  string        `json:"config"` // hash of what decides the rows
	Rows    int64         `json:"rows"`   // given so far, over all ranks
	Ended   bool          `json:"ended,omitempty"`
	Dropped int64         `json:"dropped,omitempty"`
	Sources []SourceState `json:"sources"`
	Waiting [][3]int64    `json:"waiting,omitempty"` // source, document and token of each piece that waits to be packed
}

// SourceState is where a source stands.
type SourceState struct {
	Name      string  `json:"name"`
	Weight    float64 `json:"weight"`
	Position  int64   `json:"position"` // documents passed, over all epochs
	Documents int64   `json:"documents"`
	Tokens    int64   `json:"tokens"`
	Recent    int64   `json:"recent"` // tokens since the weights were set
}

// State returns where the stream stands: what Next will give comes after it.
func (s *Stream) State() State {
	st := State{Config: s.fingerprint(), Rows: s.rows, Ended: s.ended, Dropped: s.dropped}
	for i, c := range s.sources {
		src := s.cfg.Sources[i]
		st.Sources = append(st.Sources, SourceState{Name: src.Name, Weight: src.Weight, Position: c.pos, Documents: c.drawn, Tokens: c.total, Recent: c.recent})
	}
	for _, p := range s.waiting {
		st.Waiting = append(st.Waiting, [3]int64{int64(p.source), p.doc, p.from})
	}
	return st
}

// Restore continues where State was taken, weights included. The stream must have the same configuration and shards, Rank, World and
// weights apart. After an error the stream is as before.
func (s *Stream) Restore(st State) error {
	if want := s.fingerprint(); st.Config != want {
		return fmt.Errorf("mix: Restore: the state is of rows %s, this stream gives rows %s: same sources, shards, seed, length, packing and split are needed", st.Config, want)
	}
	if len(st.Sources) != len(s.sources) || st.Rows < 0 {
		return fmt.Errorf("mix: Restore: broken state: %d sources of %d, %d rows", len(st.Sources), len(s.sources), st.Rows)
	}
	sources := slices.Clone(s.cfg.Sources)
	for i, src := range st.Sources {
		if src.Name != sources[i].Name || src.Position < 0 || src.Documents < 0 || src.Tokens < 0 || src.Recent < 0 {
			return fmt.Errorf("mix: Restore: broken state of source %q", src.Name)
		}
		sources[i].Weight = src.Weight
	}
	if err := checkWeights(sources); err != nil {
		return fmt.Errorf("mix: Restore: %w", err)
	}
	var waiting []piece
	for _, w := range st.Waiting {
		if w[0] < 0 || w[0] >= int64(len(s.sources)) || w[1] < 0 || w[1] >= s.sources[w[0]].n {
			return fmt.Errorf("mix: Restore: broken state: document %d of source %d", w[1], w[0])
		}
		p, ok := s.sources[w[0]].take(w[1])
		if p.from = w[2]; !ok || p.from < 0 || p.from >= p.size {
			return fmt.Errorf("mix: Restore: broken state: token %d of document %d", w[2], w[1])
		}
		waiting = append(waiting, p)
	}
	copy(s.cfg.Sources, sources)
	s.waiting, s.rows, s.ended, s.dropped = waiting, st.Rows, st.Ended, st.Dropped
	for i, src := range st.Sources {
		c := s.sources[i]
		c.pos, c.drawn, c.total, c.recent = src.Position, src.Documents, src.Tokens, src.Recent
	}
	return nil
}

// fingerprint is a hash of all that decides the rows, but the weights, which may change on the way.
func (s *Stream) fingerprint() string {
	type source struct {
		Name   string
		Epochs float64
		Shards []string
	}
	c := s.cfg
	all := struct {
		SeqLen   int
		Seed     uint64
		Packing  Packing
		BOS, EOS []uint32
		Split    Split
		KeepLast bool
		Sources  []source
	}{c.SeqLen, c.Seed, c.Packing, c.BOS, c.EOS, c.Split, c.KeepLast, nil}
	for _, src := range c.Sources {
		one := source{Name: src.Name, Epochs: src.Epochs}
		for _, sh := range src.Shards {
			one.Shards = append(one.Shards, sh.Hash().String())
		}
		all.Sources = append(all.Sources, one)
	}
	b, err := json.Marshal(all)
	if err != nil { // Validate lets no NaN through
		panic(err)
	}
	return fmt.Sprintf("%016x", xxh3.Hash(b))
}
