package grammar

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Grammar is a language that texts are held to. It never changes but for a cache of what was computed; goroutines may
// share it.
type Grammar struct {
	p    *program
	mu   sync.Mutex
	auto *automaton
}

// Match reports whether text, as a whole, is of the language.
func (g *Grammar) Match(text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.roomy()
	s := a.start
	for i := range len(text) {
		if s = a.step(s, text[i]); s == dead {
			return false
		}
		if a.bytes > maxMemory {
			next := g.roomy()
			a, s = next, next.from(a, s)
		}
	}
	return a.states[s].accepts
}

// roomy returns the automaton, a new one where it has grown too large.
func (g *Grammar) roomy() *automaton {
	if g.auto.bytes > maxMemory {
		g.auto = newAutomaton(g.p)
	}
	return g.auto
}

// Matcher follows one text through a grammar. Not for use by two goroutines, but many may have one of the same Grammar.
type Matcher struct {
	g     *Grammar
	v     *Vocab
	a     *automaton
	at    int32
	state // of at, whose automaton others may be adding to
	ended bool
}

// Matcher begins a text.
func (g *Grammar) Matcher(v *Vocab) *Matcher {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.roomy()
	return &Matcher{g: g, v: v, a: a, at: a.start, state: a.states[a.start]}
}

// Clone returns a matcher at the same place of the text: a beam's second way, or a place to return to.
func (m *Matcher) Clone() *Matcher {
	c := *m
	return &c
}

// sync moves m to the grammar's automaton of the moment. The caller holds the lock.
func (m *Matcher) sync() *automaton {
	if a := m.g.roomy(); a != m.a {
		m.a, m.at = a, a.from(m.a, m.at)
	}
	return m.a
}

// Mask returns the tokens that may come next: the stop tokens are among them where the text may end here. It is shared:
// read only. It is empty after a stop token, and where the vocabulary cannot spell what must follow (see Vocab.Spells).
func (m *Matcher) Mask() *Mask {
	if m.ended {
		return new(Mask)
	}
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	return m.sync().mask(m.v, m.at)
}

// Accept takes the next token. Where it fails the matcher is unchanged.
func (m *Matcher) Accept(id uint32) error {
	if m.ended {
		return errors.New("grammar: a token after the end of the text")
	}
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	a := m.sync()
	if slices.Contains(m.v.stops, id) {
		if !m.accepts {
			return fmt.Errorf("grammar: token %d ends the text, which is not complete", id)
		}
		m.ended = true
		return nil
	}
	text := m.v.Bytes(id)
	if len(text) == 0 {
		return fmt.Errorf("grammar: token %d stands for no text", id)
	}
	to := a.run(m.at, text)
	if to == dead {
		return fmt.Errorf("grammar: token %d, %q, cannot follow", id, text)
	}
	m.at, m.state = to, a.states[to]
	return nil
}

// Done reports whether the text is complete and nothing but a stop token can follow.
func (m *Matcher) Done() bool { return m.ended || m.accepts && len(m.threads) == 0 }

// Complete reports whether the text may end here.
func (m *Matcher) Complete() bool { return m.ended || m.accepts }
