package cell

import (
	"fmt"
	"strings"
)

// Words splits the arguments of a magic at spaces; single and double quotes keep spaces, and make empty words.
func Words(args string) ([]string, error) {
	var list []string
	for rest := strings.TrimSpace(args); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		var word strings.Builder
		for rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			if q := rest[0]; q == '"' || q == '\'' {
				end := strings.IndexByte(rest[1:], q)
				if end < 0 {
					return nil, fmt.Errorf("the quote %c is never closed", q)
				}
				word.WriteString(rest[1 : 1+end])
				rest = rest[2+end:]
				continue
			}
			word.WriteByte(rest[0])
			rest = rest[1:]
		}
		list = append(list, word.String())
	}
	return list, nil
}
