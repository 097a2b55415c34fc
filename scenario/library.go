package scenario

import (
	"maps"
	"path"
	"slices"
)

// files are those that the process is given: Files, and the libraries.
func (p *Plan) files() map[string][]byte {
	if len(p.Libraries) == 0 {
		return p.Files
	}
	all := maps.Clone(p.Files)
	if all == nil {
		all = map[string][]byte{}
	}
	for _, l := range p.Libraries {
		all[l.At] = l.Content
	}
	return all
}

// libDirs are the folders that the libraries lie in, in their order.
func (p *Plan) libDirs() []string {
	var dirs []string
	for _, l := range p.Libraries {
		if dir := path.Dir(l.At); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
