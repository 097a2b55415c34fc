package report

import (
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"html/template"
	"io"
)

var (
	//go:embed assets/page.html
	pageText string
	//go:embed assets/style.css
	styleText string
	//go:embed assets/page.js
	scriptText string
)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// policy is the page's content security policy (W3C, Content Security Policy Level
// 3): nothing may be fetched, sent or framed, and no script or style runs but the
// page's own, which are known by their hashes.
var policy = "default-src 'none'; script-src '" + hash(scriptText) + "'; style-src '" + hash(styleText) + "'; img-src data:; base-uri 'none'; form-action 'none'"

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Write writes the page.
func (p *Page) Write(w io.Writer) error {
	return pageTemplate.Execute(w, struct {
		*Page
		Policy string
		Style  template.CSS
		Script template.JS
	}{p, policy, template.CSS(styleText), template.JS(scriptText)})
}
