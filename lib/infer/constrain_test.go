package infer

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"quire/lib/infer/grammar"
	"quire/lib/infer/sample"
)

// TestConstrained: whatever the temperature, texts that are held to a grammar are of its language: streamed, several at once, by beams, and with guesses, which change nothing.
func TestConstrained(t *testing.T) {
	schema := []byte(`{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer","minimum":0,"maximum":150},
		"friends":{"type":"array","items":{"enum":["Lily","Tom","Ben"]},"maxItems":3}},"required":["name","age","friends"],"additionalProperties":false}`)
	g, err := grammar.JSONSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	plain := openStories(t, "stories260K-f32.gguf", Config{MaxLen: 512})
	guessing := openStories(t, "stories260K-f32.gguf", Config{MaxLen: 512, Lookup: 4})
	check := func(how string, texts []Text) {
		t.Helper()
		for _, text := range texts {
			var v struct {
				Name    *string
				Age     *int
				Friends []string
			}
			if err := json.Unmarshal([]byte(text.Text), &v); err != nil || v.Name == nil || v.Age == nil || *v.Age < 0 || *v.Age > 150 || len(v.Friends) > 3 || len([]rune(*v.Name)) > 12 {
				t.Errorf("%s: %q is not of the schema: %v", how, text.Text, err)
			}
			if text.Finish != Stop {
				t.Errorf("%s: %q ended with %q", how, text.Text, text.Finish)
			}
		}
	}
	for seed := range uint64(10) {
		r := Request{Prompt: "Lily is", MaxTokens: 300, N: 2, Grammar: g, Params: sample.Params{Temperature: 1.3, Seed: 2 * seed}}
		want, got := complete(t, plain, r), complete(t, guessing, r)
		check("sampled", want)
		for i := range want {
			if !slices.Equal(want[i].IDs(), got[i].IDs()) {
				t.Errorf("seed %d: %q with guesses, %q without", seed, got[i].Text, want[i].Text)
			}
		}
	}
	check("beams", complete(t, plain, Request{Prompt: "Lily is", MaxTokens: 300, Beams: 3, N: 2, Grammar: g}))
	date, err := grammar.Regexp(`[0-9]{4}-[01][0-9]-[0-3][0-9]`)
	if err != nil {
		t.Fatal(err)
	}
	if text := complete(t, plain, Request{Prompt: "Once", Grammar: date})[0].Text; !regexp.MustCompile(`^\d{4}-[01]\d-[0-3]\d$`).MatchString(text) {
		t.Errorf("%q is no date", text)
	}
	noLeak(t, plain)
	noLeak(t, guessing)
}
