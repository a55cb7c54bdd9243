package clean_test

import (
	"fmt"

	"quire/lib/clean"
)

// A page's text, its verdicts, and what of it should not be trained on.
func Example() {
	page := `<title>Ice</title><nav><a href=/>Home</a></nav>
		<p>The expedition left the harbour at dawn, with forty men, two dogs, and provisions for three months on the ice.</p>
		<p>Letters reached them through captain@ship.example.org until the sea froze over in the last week of autumn.</p>`
	title, text, _ := clean.MainText(page)
	language, _ := clean.Language(text)
	fmt.Println(title, language)
	fmt.Println(clean.Mask(text))
	for _, v := range append(clean.Gopher(), clean.C4()...).Judge(text) {
		if v.Margin < 0 {
			fmt.Printf("%s is %.3g, %.3g beyond %g\n", v.Rule, v.Value, -v.Margin, v.Threshold)
		}
	}
	// Output:
	// Ice en
	// The expedition left the harbour at dawn, with forty men, two dogs, and provisions for three months on the ice.
	//
	// Letters reached them through email@example.com until the sea froze over in the last week of autumn.
	// gopher.words is 37, 13 beyond 50
	// c4.sentences is 2, 3 beyond 5
}
