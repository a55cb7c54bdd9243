package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quire/lib/infer"
	"quire/lib/infer/grammar"
)

// storiesGGUF is the tiny trained model beside the project, or skips by name.
func storiesGGUF(t *testing.T) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "weights", "stories260K", "gguf", "stories260K-f32.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skip("shared/data/weights/stories260K/gguf/stories260K-f32.gguf is missing")
	}
	return path
}

func TestGenerate(t *testing.T) {
	e, err := infer.Open(storiesGGUF(t), infer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var out, notes strings.Builder
	c := generateCmd{}
	if err := c.write(t.Context(), e, infer.Request{Prompt: "Once upon a time", MaxTokens: 30}, &out, &notes); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), ", there was a little girl named Lily.") || !strings.Contains(notes.String(), "30 tokens") || !strings.Contains(notes.String(), "finish length") {
		t.Errorf("wrote %q, noted %q", out.String(), notes.String())
	}
	schema := []byte(`{"type":"object","properties":{"name":{"enum":["Lily","Tom"]},"age":{"type":"integer","minimum":1,"maximum":99}},"required":["name","age"],"additionalProperties":false}`)
	g, err := grammar.JSONSchema(schema)
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := c.write(t.Context(), e, infer.Request{Prompt: "Once upon a time", MaxTokens: 100, Grammar: g}, &out, &notes); err != nil {
		t.Fatal(err)
	}
	var v struct {
		Name string
		Age  int
	}
	if err := json.Unmarshal([]byte(out.String()), &v); err != nil || v.Name != "Lily" && v.Name != "Tom" || v.Age < 1 || v.Age > 99 {
		t.Errorf("held to a schema it wrote %q: %v", out.String(), err)
	}
}
