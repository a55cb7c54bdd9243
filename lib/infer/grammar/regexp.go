package grammar

import (
	"encoding/binary"
	"fmt"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// Regexp is the language of a regular expression in Go's syntax (RE2), which the whole text must match.
func Regexp(expr string) (*Grammar, error) {
	d, err := regexpDFA(expr, true)
	if err != nil {
		return nil, fmt.Errorf("grammar: regular expression %s: %w", shorten(expr), err)
	}
	b := newBuilder()
	b.rule("text")
	b.rules[0].start = b.emit(d, (*builder).class, 0)
	return b.named("regular expression " + shorten(expr))
}

// shorten quotes the beginning of a source for an error.
func shorten(s string) string {
	if len(s) > 60 {
		s = s[:60] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// named finishes the grammar; an error names its source.
func (b *builder) named(what string) (*Grammar, error) {
	g, err := b.finish()
	if err != nil {
		return nil, fmt.Errorf("grammar: %s: %w", what, err)
	}
	return g, nil
}

// before says what stands before a place in a text.
type before uint8

const (
	atStart before = iota
	afterNewline
	afterWord
	afterOther
)

func kindOf(r rune) before {
	switch {
	case r == '\n':
		return afterNewline
	case syntax.IsWordChar(r):
		return afterWord
	}
	return afterOther
}

// rune returns a character of the kind, −1 at the start.
func (k before) rune() rune { return [...]rune{-1, '\n', 'a', ' '}[k] }

// place is a set of instructions that come next and what stands before: which assertions hold is known with the next
// character.
type place struct {
	pcs    []uint32
	before before
}

// regexpDFA is the subset construction over the program of Go's own compiler. whole: the text as a whole matches; else a
// part of it does.
func regexpDFA(expr string, whole bool) (*dfa, error) {
	if len(expr) > maxExpr {
		return nil, fmt.Errorf("%d bytes: at most %d", len(expr), maxExpr)
	}
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	m := &regexpMachine{prog: prog, whole: whole, seen: make([]uint32, len(prog.Inst))}
	bounds, err := m.bounds()
	if err != nil {
		return nil, err
	}
	return explore(bounds, len(prog.Inst), place{pcs: []uint32{uint32(prog.Start)}}, place.key, m.step, m.matches)
}

func (p place) key() string {
	k := []byte{byte(p.before)}
	for _, pc := range p.pcs {
		k = binary.LittleEndian.AppendUint32(k, pc)
	}
	return string(k)
}

type regexpMachine struct {
	prog  *syntax.Prog
	whole bool
	seen  []uint32 // by instruction: the closure that met it last
	now   uint32
	found []uint32 // of a closure: instructions that read a character
	todo  []uint32
}

// maxExpr bounds the source of an expression.
const maxExpr = 1 << 15

// matched is the only instruction of a place where part of the text has matched: whatever follows does not matter.
const matched = ^uint32(0)

func (m *regexpMachine) step(p place, r rune) place {
	next := place{before: kindOf(r)}
	if len(p.pcs) == 1 && p.pcs[0] == matched {
		return place{pcs: p.pcs}
	}
	if m.close(p, r) && !m.whole {
		return place{pcs: []uint32{matched}}
	}
	for _, pc := range m.found {
		if in := &m.prog.Inst[pc]; in.MatchRune(r) {
			next.pcs = append(next.pcs, in.Out)
		}
	}
	if !m.whole {
		next.pcs = append(next.pcs, uint32(m.prog.Start))
	}
	slices.Sort(next.pcs)
	next.pcs = slices.Compact(next.pcs)
	if len(next.pcs) == 0 {
		next.before = 0
	}
	return next
}

func (m *regexpMachine) matches(p place) bool {
	return len(p.pcs) == 1 && p.pcs[0] == matched || m.close(p, -1)
}

// close finds the instructions at p that read a character, given which one comes next, −1 at the end; it reports whether
// the expression matches up to p.
func (m *regexpMachine) close(p place, next rune) (match bool) {
	flags := syntax.EmptyOpContext(p.before.rune(), next)
	m.now++
	m.found = m.found[:0]
	todo := append(m.todo[:0], p.pcs...)
	for len(todo) > 0 {
		pc := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m.seen[pc] == m.now {
			continue
		}
		m.seen[pc] = m.now
		switch in := &m.prog.Inst[pc]; in.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			todo = append(todo, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			todo = append(todo, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^flags == 0 {
				todo = append(todo, in.Out)
			}
		case syntax.InstMatch:
			match = true
		case syntax.InstFail:
		default:
			m.found = append(m.found, pc)
		}
	}
	m.todo = todo
	return match
}

// maxClasses bounds the characters that an expression tells apart.
const maxClasses = 1 << 12

// bounds are the characters at which an instruction begins or ceases to match, or an assertion to hold.
func (m *regexpMachine) bounds() ([]rune, error) {
	list := []rune{0, '\n', '\n' + 1, '0', '9' + 1, 'A', 'Z' + 1, '_', '_' + 1, 'a', 'z' + 1, surrogateMin, surrogateMax + 1}
	edge := func(lo, hi rune) { list = append(list, lo, hi+1) }
	for i := range m.prog.Inst {
		switch in := &m.prog.Inst[i]; in.Op {
		case syntax.InstRune1, syntax.InstRune:
			if len(in.Rune) == 1 {
				r := in.Rune[0]
				edge(r, r)
				for f := unicode.SimpleFold(r); f != r && syntax.Flags(in.Arg)&syntax.FoldCase != 0; f = unicode.SimpleFold(f) {
					edge(f, f)
				}
				continue
			}
			for k := 0; k+1 < len(in.Rune); k += 2 {
				edge(in.Rune[k], in.Rune[k+1])
			}
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	for len(list) > 0 && list[len(list)-1] > utf8.MaxRune {
		list = list[:len(list)-1]
	}
	if len(list) > maxClasses {
		return nil, fmt.Errorf("it tells more than %d classes of characters apart", maxClasses)
	}
	return list, nil
}
