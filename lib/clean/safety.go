package clean

import (
	"bufio"
	"fmt"
	"iter"
	"net/url"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Score returns a rule of any number that a function finds in a text: a classifier's probability, a toxicity service's verdict, a
// perplexity. It is the hook for judges that are not of this package. score must be safe for many goroutines and a function of the
// text alone.
func Score(name string, min, max float64, source string, score func(text string) float64) Rule {
	return Rule{name, min, max, source, func(s *Stats) float64 { return score(s.text) }}
}

// ReadTerms reads word lists or domain lists: one term a line, in UTF-8; blank lines and lines that begin with # do not count, nor
// does a comma at the end of a line.
func ReadTerms(paths ...string) ([]string, error) {
	var terms []string
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		s := bufio.NewScanner(f)
		for line := 1; s.Scan(); line++ {
			term := strings.TrimSpace(strings.TrimRight(strings.TrimPrefix(s.Text(), "\ufeff"), ", \t\r"))
			if !utf8.ValidString(term) {
				f.Close()
				return nil, fmt.Errorf("clean: %s:%d is not UTF-8: convert the list first", path, line)
			}
			if term != "" && !strings.HasPrefix(term, "#") {
				terms = append(terms, term)
			}
		}
		f.Close()
		if err := s.Err(); err != nil {
			return nil, fmt.Errorf("clean: %s: %w", path, err)
		}
	}
	return terms, nil
}

// Words finds the terms of a list in texts. Terms of alphabets match whole words in any case; terms that begin or end in an ideograph
// or kana match there inside a run of them, as these scripts write no spaces. It is an Aho–Corasick automaton (1975): its time depends
// on the text alone. Goroutines may share it.
type Words struct {
	terms   []term
	next    []map[byte]int32 // the trie's edges
	first   [256]int32       // the root's
	fail    []int32
	outputs [][]int32 // the terms that end at a node, the longest first
}

type term struct {
	text    string // in lower case
	allowed bool
}

// Hit is a term found in a text: text[Start:End].
type Hit struct {
	Term       string
	Start, End int
}

// NewWords returns a finder of terms. Where a term stands within one of the allowed phrases, it is meant otherwise and is no hit:
// "breast" within "breast cancer".
func NewWords(terms, allowed []string) *Words {
	w := &Words{next: []map[byte]int32{{}}, outputs: [][]int32{nil}}
	for _, t := range terms {
		w.add(term{strings.ToLower(t), false})
	}
	for _, t := range allowed {
		w.add(term{strings.ToLower(t), true})
	}
	w.link()
	return w
}

func (w *Words) add(t term) {
	if t.text == "" {
		return
	}
	at := int32(0)
	for i := range len(t.text) {
		to, ok := w.next[at][t.text[i]]
		if !ok {
			to = int32(len(w.next))
			w.next[at][t.text[i]] = to
			w.next = append(w.next, map[byte]int32{})
			w.outputs = append(w.outputs, nil)
		}
		at = to
	}
	w.outputs[at] = append(w.outputs[at], int32(len(w.terms)))
	w.terms = append(w.terms, t)
}

// link sets the nodes at which the search goes on where no edge fits: breadth first.
func (w *Words) link() {
	w.fail = make([]int32, len(w.next))
	var queue []int32
	for c, to := range w.next[0] {
		w.first[c] = to
		queue = append(queue, to)
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for c, to := range w.next[at] {
			w.fail[to] = w.step(w.fail[at], c)
			w.outputs[to] = append(w.outputs[to], w.outputs[w.fail[to]]...)
			queue = append(queue, to)
		}
	}
}

func (w *Words) step(at int32, c byte) int32 {
	for at != 0 {
		if to, ok := w.next[at][c]; ok {
			return to
		}
		at = w.fail[at]
	}
	return w.first[c]
}

// Find returns the terms in a text from front to back. Where several end together, the longest counts; terms that overlap otherwise
// are all found.
func (w *Words) Find(text string) iter.Seq[Hit] {
	return func(yield func(Hit) bool) {
		lower := strings.ToLower(text)
		if len(lower) != len(text) { // a few letters change their length; positions are then those of asciiLower
			lower = asciiLower(text)
		}
		var open []Hit // hits whose end an allowed phrase may still cover
		covered := 0   // text before here is within an allowed phrase
		at := int32(0)
		for i := range len(lower) {
			at = w.step(at, lower[i])
			for _, out := range w.outputs[at] {
				t := w.terms[out]
				start := i + 1 - len(t.text)
				if !bounded(text, start, i+1) {
					continue
				}
				if t.allowed {
					for len(open) > 0 && open[len(open)-1].Start >= start {
						open = open[:len(open)-1]
					}
					covered = i + 1
					break
				}
				if start >= covered {
					open = append(open, Hit{t.text, start, i + 1})
				}
				break
			}
			if at == 0 { // no phrase is under way
				for _, h := range open {
					if !yield(h) {
						return
					}
				}
				open = open[:0]
			}
		}
		for _, h := range open {
			if !yield(h) {
				return
			}
		}
	}
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

// bounded reports whether text[start:end] is not cut out of a longer word.
func bounded(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	first, _ := utf8.DecodeRuneInString(text[start:])
	last, _ := utf8.DecodeLastRuneInString(text[:end])
	behind, _ := utf8.DecodeRuneInString(text[end:])
	return !(wordRune(before) && wordRune(first)) && !(wordRune(last) && wordRune(behind))
}

func wordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)) && !ideograph(r)
}

// Rule returns the rule that a text may have at most max hits in a hundred words.
func (w *Words) Rule(name string, max float64) Rule {
	return Rule{name, -none, max, "the list's user", func(s *Stats) float64 {
		hits := 0
		for range w.Find(s.text) {
			hits++
		}
		return 100 * per(hits, s.Words)
	}}
}

// Context returns a hit with up to n characters on each side of it, on one line: what a person needs to judge it.
func (h Hit) Context(text string, n int) string {
	from, to := h.Start, h.End
	for range n {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	for range n {
		_, size := utf8.DecodeRuneInString(text[to:])
		to += size
	}
	return strings.Join(strings.Fields(text[from:h.Start]+"["+text[h.Start:h.End]+"]"+text[h.End:to]), " ")
}

// Domains is a list of domains whose pages are not wanted, as datatrove's URL filter: a domain stands for its subdomains too.
type Domains struct {
	blocked map[string]bool
	soft    []string
}

// NewDomains returns a list of domains. Of soft words, two in a URL block it.
func NewDomains(domains, softWords []string) *Domains {
	d := &Domains{blocked: map[string]bool{}}
	for _, name := range domains {
		d.blocked[strings.TrimSuffix(strings.ToLower(name), ".")] = true
	}
	for _, w := range softWords {
		d.soft = append(d.soft, strings.ToLower(w))
	}
	return d
}

// Blocks reports whether a page's address is unwanted.
func (d *Domains) Blocks(address string) bool {
	address = strings.ToLower(address)
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	for host := strings.TrimSuffix(u.Hostname(), "."); host != ""; {
		if d.blocked[host] {
			return true
		}
		_, host, _ = strings.Cut(host, ".")
	}
	found := 0
	for _, w := range d.soft {
		if strings.Contains(address, w) {
			found++
		}
	}
	return found >= 2
}
