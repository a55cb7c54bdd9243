package grammar

import (
	"testing"
	"time"
)

// person is a schema of the kind that extraction tasks have, and a text under it.
const (
	personSchema = `{"type":"object","properties":{
		"name":{"type":"string","maxLength":80},
		"age":{"type":"integer","minimum":0,"maximum":150},
		"email":{"type":"string"},
		"role":{"enum":["student","teacher","engineer","other"]},
		"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},"zip":{"type":"string","pattern":"^[0-9]{5}$"}},"required":["street","city","zip"]},
		"tags":{"type":"array","items":{"type":"string"},"maxItems":10},
		"score":{"type":"number","minimum":0,"maximum":1}},
		"required":["name","age","role","address","tags","score"]}`
	personText = `{"name":"Ada Lovelace, Countess of Lovelace","age":36,"email":"ada@example.com","role":"engineer","address":{"street":"12 St James's Square, London","city":"London","zip":"10115"},"tags":["mathematics","analytical engine","notes on the sketch by Menabrea"],"score":0.9375}`
)

// tokensOf cuts text into the longest tokens of v.
func tokensOf(v *Vocab, text string) (ids []uint32) {
	byText := map[string]uint32{}
	for id := range uint32(v.Size()) {
		if b := v.Bytes(id); len(b) > 0 {
			byText[string(b)] = id
		}
	}
	for len(text) > 0 {
		n := min(len(text), v.longest)
		for ; n > 1; n-- {
			if _, ok := byText[text[:n]]; ok {
				break
			}
		}
		ids = append(ids, byText[text[:n]])
		text = text[n:]
	}
	return ids
}

// BenchmarkMaskAccept follows a text of about 90 tokens through a schema: first=true has a grammar that saw no text before,
// compiling not counted; first=false has all of its masks.
func BenchmarkMaskAccept(b *testing.B) {
	for _, voc := range []struct{ name, file string }{{"llama2-32k", "llama2/tokenizer.model"}, {"internlm2-92k", "internlm/tokenizer_internlm2.model"}} {
		for _, first := range []bool{true, false} {
			b.Run("vocab="+voc.name+"/first="+map[bool]string{true: "true", false: "false"}[first], func(b *testing.B) {
				v := loadVocab(b, voc.file)
				ids := tokensOf(v, personText)
				g := must(b)(JSONSchema([]byte(personSchema)))
				var slowest time.Duration
				for b.Loop() {
					if first {
						g.auto = newAutomaton(g.p)
					}
					m := g.Matcher(v)
					for _, id := range ids {
						start := time.Now()
						if !m.Mask().Has(id) {
							b.Fatalf("the mask lacks %q", v.Bytes(id))
						}
						if err := m.Accept(id); err != nil {
							b.Fatal(err)
						}
						slowest = max(slowest, time.Since(start))
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(b.N*len(ids)), "µs/token")
				b.ReportMetric(float64(slowest.Microseconds()), "µs-slowest")
				b.ReportMetric(float64(len(ids)), "tokens")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkCompile is what a request pays before its first token when its schema is new.
func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := JSONSchema([]byte(personSchema)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkNewVocab is paid once a tokenizer.
func BenchmarkNewVocab(b *testing.B) {
	v := loadVocab(b, "internlm/tokenizer_internlm2.model")
	tokens := make([][]byte, v.Size())
	for id := range tokens {
		tokens[id] = v.Bytes(uint32(id))
	}
	b.ResetTimer()
	for b.Loop() {
		newVocab(tokens, v.stops)
	}
}
