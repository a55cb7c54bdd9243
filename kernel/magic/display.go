package magic

import (
	"errors"

	"quire/kernel/link"
	"quire/kernel/session"
)

func display() []session.Magic {
	return []session.Magic{
		{Name: "html", Body: as("text/html"), Help: `%%html shows the rest of the cell as HTML.`},
		{Name: "markdown", Body: as("text/markdown"), Help: `%%markdown shows the rest of the cell as Markdown.`},
	}
}

// as shows the body in one media type, with the text itself for front ends that can't.
func as(media string) func(c *session.Cell, args, body string) error {
	return func(c *session.Cell, args, body string) error {
		if args != "" {
			return errors.New("the text begins in the next line")
		}
		c.Display(link.Display{Bundle: link.Bundle{Data: map[string]any{media: body, "text/plain": body}}})
		return nil
	}
}
