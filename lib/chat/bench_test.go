package chat

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkRender compares InternLM2's format in Go with its .jinja file: go test -bench Render ./lib/chat
func BenchmarkRender(b *testing.B) {
	native := mustBuiltin(b, "internlm2")
	jinja := *native
	jinja.native = nil
	var conv Conversation
	for i := range 20 {
		conv.Messages = append(conv.Messages, Message{Role: []string{User, Assistant}[i%2], Content: strings.Repeat("some words of a turn ", 20)})
	}
	for _, t := range []struct {
		impl string
		tmpl *Template
	}{{"native", native}, {"jinja", &jinja}} {
		b.Run(fmt.Sprintf("impl=%s/turns=%d", t.impl, len(conv.Messages)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r, err := t.tmpl.Render(conv, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(r.Text)))
			}
		})
	}
}
