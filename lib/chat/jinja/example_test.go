package jinja_test

import (
	"fmt"

	"quire/lib/chat/jinja"
)

func Example() {
	t, err := jinja.Parse("greeting", "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}\n{% endfor %}")
	if err != nil {
		panic(err)
	}
	messages, err := jinja.FromJSON([]byte(`[{"role": "user", "content": " hi <|end|> "}]`), 1)
	if err != nil {
		panic(err)
	}
	vars := &jinja.Dict{}
	vars.Set("messages", messages)
	out, err := t.Render(vars, jinja.Config{})
	if err != nil {
		panic(err)
	}
	fmt.Printf("%q\n", out.Text)
	for _, s := range out.Spans {
		fmt.Printf("data: %q\n", out.Text[s.Start:s.End])
	}
	// Output:
	// "<|user|>hi <|end|>\n"
	// data: "user"
	// data: "hi <|end|>"
}
