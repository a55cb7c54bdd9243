package grammar

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"quire/lib/token"
)

// letters is a vocabulary of all bytes, some words and an end token, the last id.
var letters = func() *Vocab {
	var tokens [][]byte
	for b := range 256 {
		tokens = append(tokens, []byte{byte(b)})
	}
	for _, w := range []string{`{"`, `":`, `":"`, `",`, `","`, `"}`, `}}`, `]]`, "true", "false", "null", "12", "0.5", "abc", "aaaa", "\xc3", "\xa9x", "é", "  ",
		"-1", "e+", `\"`, `\u00`, "[[", "[{", `":[`, "日", "本語", "\xe6\x97", "\xa5\xe6"} {
		tokens = append(tokens, []byte(w))
	}
	tokens = append(tokens, nil)
	return newVocab(tokens, []uint32{uint32(len(tokens) - 1)})
}()

func must(t testing.TB) func(*Grammar, error) *Grammar {
	return func(g *Grammar, err error) *Grammar {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
}

func TestMatch(t *testing.T) {
	g := must(t)
	arith := `
root ::= expr
expr ::= term ([-+] term)*   # sums
term ::= factor (("*" | "/") factor)*
factor ::= num | "(" expr ")"
num ::= [0-9]{1,3}`
	for _, c := range []struct {
		name     string
		g        *Grammar
		yes, not []string
	}{
		{"choice", g(Choice("yes", "no", "yes!", "né")), []string{"yes", "no", "yes!", "né"}, []string{"", "y", "yes!!", "n\xc3"}},
		{"arithmetic", g(EBNF(arith)), []string{"1", "(1+23)*456", "((((7))))"}, []string{"", "1+", "1234", "(1", "1)", "a"}},
		{"classes", g(EBNF(`root ::= [^a-y\u00e9] "é"{2,3} .`)), []string{"zéé日", "日ééé\n"}, []string{"aéé.", "ééé.", "zé.", "zéé", "zéé\xff"}},
		{"nested counts", g(EBNF(`root ::= (("a"? "b"){2} ","){1,2}`)), []string{"abb,", "bb,abab,"}, []string{"b,", "bb", "bb,bb,bb,"}},
		{"empty turns", g(EBNF(`root ::= ("a"? "b"?){3,5} "."`)), []string{".", "aaaaa.", "ababababab."}, []string{"aaaaaa."}},
		{"right recursion", g(EBNF("root ::= \"a\" root | \"b\"")), []string{strings.Repeat("a", 5000) + "b"}, []string{"a", "ba"}},
		{"words", g(Regexp(`\bfoo\b.*\bbar$`)), []string{"foo bar", "foo, bar"}, []string{"foobar", "foo barn", "a foo bar"}},
		{"lines", g(Regexp(`(?m)(^a$\n?)+`)), []string{"a", "a\na\na", "a\n"}, []string{"", "aa", "a\nb"}},
	} {
		for _, s := range c.yes {
			if !c.g.Match(s) {
				t.Errorf("%s: %.40q does not match", c.name, s)
			}
		}
		for _, s := range c.not {
			if c.g.Match(s) {
				t.Errorf("%s: %.40q matches", c.name, s)
			}
		}
	}
}

// TestErrors: every mistake is one line that names the place.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"", "there is no rule root"},
		{"root ::= a", "rule a is used and not defined"},
		{"root ::= \"a\"\nroot ::= \"b\"", "line 2: rule root is defined twice"},
		{"root ::= root \"a\" | \"b\"", "rule root begins with itself"},
		{"root ::= a b\na ::= \"x\"?\nb ::= a root | \"y\"", "rule root begins with itself"},
		{"root ::= \"a", "in a literal: it does not end"},
		{"root ::= [b-a]", "from 'b' down to 'a'"},
		{"root ::= (\"a\"", "a ( without )"},
		{"root ::= \"a\"{3,2}", "want {n}, {n,} or {n,m}"},
		{"root ::= \"a\" root", "no text matches it"},
		{"root ::= \"\\q\"", `the escape \q is not known`},
		{"root ::= (\"a\"?){1,1000}", "at most 64"},
		{"root ::= " + strings.Repeat("(", 300), "nest deeper"},
		{"root ::= @", "'@' is unexpected"},
	} {
		if _, err := EBNF(c.source); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40q: error %v: want one with %q", c.source, err, c.want)
		}
	}
	for _, expr := range []string{`(a|b)*a(a|b){30}`, `a(?=b)`, `[`, strings.Repeat("a", 1<<16), `((\pL{100}){100}){100}`, `\pL{1000}\pN{1000}`} {
		if _, err := Regexp(expr); err == nil {
			t.Errorf("%.40q is taken", expr)
		}
	}
	if _, err := Choice(); err == nil {
		t.Error("a choice of nothing is taken")
	}
}

// TestRegexpAgainstGo draws expressions and texts and compares with Go's own regexp, anchored.
func TestRegexpAgainstGo(t *testing.T) {
	exprs := []string{`a*b+`, `(ab|ba)*`, `[^a]b?`, `(?i)aé`, `a{2,3}|b`, `\w+\W`, `.*\b.`, `(?s).b.`, `^a?$`, `\Aab|\z`, `(a|ab)(c|bcd)?`, `[\p{L}]+\d?`, `(?m)^a$`, `a\Bb?`, `日|本{2}`, `x?`, `[[:^alpha:]]`, `a\b`}
	alphabet := []rune("aabbcdéAÉ日本_ \n1xX")
	rng := rand.New(rand.NewPCG(1, 2))
	matched := 0
	for _, e := range exprs {
		g := must(t)(Regexp(e))
		want := regexp.MustCompile(`\A(?:` + e + `)\z`)
		for range 3000 {
			s := make([]rune, rng.IntN(6))
			for i := range s {
				s[i] = alphabet[rng.IntN(len(alphabet))]
			}
			got := g.Match(string(s))
			if got != want.MatchString(string(s)) {
				t.Fatalf("%q on %q: %v, Go says %v", e, string(s), got, !got)
			}
			if got {
				matched++
			}
		}
	}
	if matched < 1000 {
		t.Errorf("only %d texts matched: the test says little", matched)
	}
}

// TestClassesAgainstUnicode checks the cuts of ranges into UTF-8 at every character.
func TestClassesAgainstUnicode(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	edges := []rune{0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff}
	for range 20 {
		r := runeRange{edges[rng.IntN(len(edges))] + rng.Int32N(70), edges[rng.IntN(len(edges))] + rng.Int32N(5000)}
		r.lo, r.hi = min(r.lo, r.hi, utf8.MaxRune), min(max(r.lo, r.hi), utf8.MaxRune)
		b := newBuilder()
		b.rule("text")
		b.rules[0].start = b.class([]runeRange{r}, 0)
		g, err := b.finish()
		if err != nil {
			continue // only surrogates
		}
		for c := rune(0); c <= utf8.MaxRune; c += 1 + rng.Int32N(3) {
			if utf8.ValidRune(c) && g.Match(string(c)) != (c >= r.lo && c <= r.hi) {
				t.Fatalf("%U to %U: %U is %v", r.lo, r.hi, c, g.Match(string(c)))
			}
		}
	}
}

// generate draws tokens from the masks until the text ends, and checks on the way that Mask and Accept agree on every token.
func generate(t testing.TB, g *Grammar, v *Vocab, rng *rand.Rand, exhaustive bool) string {
	t.Helper()
	m := g.Matcher(v)
	var text []byte
	for step := 0; ; step++ {
		mask := m.Mask()
		var ids []uint32
		for id := range mask.All() {
			ids = append(ids, id)
		}
		if len(ids) == 0 {
			t.Fatalf("nothing can follow %q", text)
		}
		if exhaustive {
			for id := range uint32(v.Size()) {
				if err := m.Clone().Accept(id); (err == nil) != mask.Has(id) {
					t.Fatalf("after %q token %d %q: the mask says %v, Accept %v", text, id, v.Bytes(id), mask.Has(id), err)
				}
			}
		}
		id := ids[rng.IntN(len(ids))]
		if step > 60 { // come to an end
			if m.Complete() {
				id = v.stops[0]
			} else if short := shortest(m, ids, rng); len(short) > 0 {
				id = short[rng.IntN(len(short))]
			}
		}
		if err := m.Accept(id); err != nil {
			t.Fatal(err)
		}
		if id == v.stops[0] {
			if !m.Done() || m.Mask().Count() > 0 {
				t.Fatal("the text has ended and goes on")
			}
			return string(text)
		}
		text = append(text, v.Bytes(id)...)
		if step > 4000 {
			t.Fatalf("no end after %q", text)
		}
	}
}

// shortest are tokens that bring the end nearer in most places of the kinds of text used here.
func shortest(m *Matcher, ids []uint32, rng *rand.Rand) (out []uint32) {
	lists := []string{"\"}]", "\"}]", "0123456789-:.,abf\xc3\xa9"}
	from := lists[rng.IntN(len(lists))]
	for _, id := range ids {
		if b := m.v.Bytes(id); len(b) == 1 && strings.IndexByte(from, b[0]) >= 0 {
			out = append(out, id)
		}
	}
	return out
}

func TestMaskAgreesWithAccept(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, g := range []*Grammar{
		must(t)(Choice("yes", "no", "naïve")),
		must(t)(Regexp(`(ab|é日){2,40}[^x]?`)),
		must(t)(EBNF(`root ::= "[" (root ("," root)*)? "]" | [0-9]{1,40} | "\"" [^"\\]{0,50} "\""`)),
	} {
		for range 5 {
			if s := generate(t, g, letters, rng, true); !g.Match(s) {
				t.Fatalf("%q was generated and does not match", s)
			}
		}
	}
}

// TestCountsInMasks goes through texts byte by byte: counting masks, which are put together from others, must be what
// Accept says, everywhere.
func TestCountsInMasks(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, c := range []struct{ source, alphabet string }{
		{`root ::= "[" [a-c]{3,9} ("," [a-c]{2,4}){1,5} "]"`, "abc,]"},
		{`root ::= ("a"{2,3} "b"?){4,6} [ab]{6,}`, "ab"},
		{`root ::= (("abc" | "aaaa" | "é"){1,3} "1"){2,2} "12"?`, "abc1\xc3\xa9"},
	} {
		g := must(t)(EBNF(c.source))
		places := 0
		for range 30 {
			for m := g.Matcher(letters); !m.Done(); places++ {
				mask := m.Mask()
				for id := range uint32(letters.Size()) {
					if err := m.Clone().Accept(id); (err == nil) != mask.Has(id) {
						t.Fatalf("%s: token %q: the mask says %v, Accept %v", c.source, letters.Bytes(id), mask.Has(id), err)
					}
				}
				id := uint32(c.alphabet[rng.IntN(len(c.alphabet))])
				if places%7 == 0 && m.Complete() {
					id = letters.stops[0]
				} else if !mask.Has(id) {
					for next := range mask.All() {
						id = next
						break
					}
				}
				if err := m.Accept(id); err != nil {
					t.Fatal(err)
				}
			}
		}
		if places < 300 {
			t.Errorf("%s: only %d places: the test says little", c.source, places)
		}
	}
}

func TestCloneAndErrorsLeaveTheMatcher(t *testing.T) {
	g := must(t)(Regexp("ab*c"))
	m := g.Matcher(letters)
	if m.Accept('b') == nil || m.Accept(uint32(letters.Size()-1)) == nil || m.Accept(1<<31) == nil {
		t.Fatal("accepted what cannot come")
	}
	if err := m.Accept('a'); err != nil {
		t.Fatal(err)
	}
	c := m.Clone()
	if err := c.Accept('c'); err != nil || !c.Done() || !c.Complete() {
		t.Fatal("ac is complete", err)
	}
	if m.Done() || m.Complete() || m.Accept('b') != nil || m.Accept('c') != nil || !m.Done() {
		t.Fatal("the clone moved its original")
	}
}

// TestSmallCache begins the automaton anew all the time; texts must not notice.
func TestSmallCache(t *testing.T) {
	g := must(t)(EBNF(`root ::= "[" (root ("," root)*)? "]" | [0-9]{1,40}`))
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		m := g.Matcher(letters)
		var text []byte
		for range 40 {
			g.mu.Lock()
			g.auto.bytes = maxMemory + 1
			g.mu.Unlock()
			var ids []uint32
			for id := range m.Mask().All() {
				if len(letters.Bytes(id)) > 0 {
					ids = append(ids, id)
				}
			}
			if len(ids) == 0 {
				break
			}
			id := ids[rng.IntN(len(ids))]
			if err := m.Accept(id); err != nil {
				t.Fatal(err)
			}
			text = append(text, letters.Bytes(id)...)
		}
		if m.Complete() != g.Match(string(text)) {
			t.Fatalf("%q: complete %v", text, m.Complete())
		}
	}
}

func TestSharedByGoroutines(t *testing.T) {
	g := must(t)(EBNF(`root ::= "[" (root ("," root)*)? "]" | [0-9]{1,40}`))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 1))
			for range 10 {
				generate(t, g, letters, rng, false)
			}
		})
	}
	wg.Wait()
}

// loadVocab reads a tokenizer of shared/data, or skips by its name.
func loadVocab(t testing.TB, name string) *Vocab {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, "..", "shared", "data", "tokenizers", name)
			if _, err := os.Stat(path); err != nil {
				t.Skipf("shared/data/tokenizers/%s is not there", name)
			}
			tok, err := token.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			return NewVocab(tok)
		}
	}
	t.Skip("no go.mod above the working directory")
	return nil
}

func TestPublishedVocabularies(t *testing.T) {
	g := must(t)(Regexp(`[^x]{5,20}é日本語x`))
	for _, name := range []string{"llama2/tokenizer.model", "internlm/tokenizer_internlm2.model"} {
		v := loadVocab(t, name)
		if !v.Spells() {
			t.Errorf("%s cannot spell every byte", name)
		}
		rng := rand.New(rand.NewPCG(9, 9))
		if s := generate(t, g, v, rng, false); !g.Match(s) {
			t.Errorf("%s: %q does not match", name, s)
		}
	}
}
