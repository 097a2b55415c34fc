package process

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"emurace/internal/files"
	"emurace/loader"
)

// Source is a folder that stands for the root directory of the process, or of a machine that may
// have had the same files.
type Source struct {
	Name string // as it is told: "debian:bookworm", "host", a folder
	Root *loader.Sysroot
	// Given tells that the user has named it: then a file whose build-id cannot be compared is
	// taken by its name.
	Given bool
}

// Files is where the files of modules are looked for. It may be used for several processes, by
// one goroutine at a time.
type Files struct {
	Sources []Source
	// Program is a file on this machine to be taken for the program's, "" for none. Beside is
	// another one that is taken when it has the program's build-id.
	Program, Beside string

	images map[string]*loader.Image // by the names of source and file: those that are modules'
	others map[string]string        // likewise, the build-ids of those that are not
	looked int                      // files that were looked for
}

// maxLooked bounds the files that are looked for: of a thousand modules in a dozen sources.
const maxLooked = 1 << 17

// complete finds the file of each module, and what it says that memory does not.
func (p *Process) complete(f *Files) {
	for i, m := range p.modules {
		f.find(p, m)
		if m.Image == nil {
			if im := p.fromCore(m); im != nil {
				m.Image, m.Origin = im, FromCore
				m.BuildID = im.BuildID
			}
		}
		if m.Image != nil {
			f.debug(m)
			_, hi := m.Image.Span()
			if m.header == nil {
				m.Hi = max(m.Hi, m.Base+hi)
				if i+1 < len(p.modules) {
					m.Hi = min(m.Hi, p.modules[i+1].Lo)
				}
			}
			if m.Soname == "" {
				m.Soname = m.Image.Soname
			}
		}
	}
}

// find looks for the file of a module.
func (f *Files) find(p *Process, m *Module) {
	if m == p.program && f.Program != "" {
		f.take(p, m, Source{Name: "--program", Given: true}, f.Program)
		if m.Image != nil {
			return
		}
	}
	if m == p.program && f.Beside != "" {
		f.take(p, m, Source{Name: "beside the core"}, f.Beside)
		if m.Image != nil {
			return
		}
	}
	fitting := Module{}
	for _, s := range f.Sources {
		for _, name := range candidates(p.Core.Arch, m) {
			if f.take(p, m, s, name); m.Image == nil {
				continue
			}
			if m.Origin != ByWords {
				return
			}
			// Of two builds that both fit neither is known to be the one.
			if fitting.Image != nil && fitting.Image.BuildID != m.Image.BuildID {
				m.other(Other{fitting.Source, fitting.File, fitting.Image.BuildID})
				m.other(Other{m.Source, m.File, m.Image.BuildID})
				m.Image, m.Source, m.File, m.Origin = nil, "", "", NoFile
				return
			}
			if fitting.Image == nil {
				fitting = *m
			}
			m.Image, m.Source, m.File, m.Origin = nil, "", "", NoFile
			break
		}
	}
	if fitting.Image != nil {
		m.Image, m.Source, m.File, m.Origin = fitting.Image, fitting.Source, fitting.File, fitting.Origin
	}
}

// candidates are where a file may be below a root: by its build-id, at its path, and where
// libraries of its name are.
func candidates(a loader.Arch, m *Module) (list []string) {
	if id := m.BuildID; len(id) > 4 {
		for _, dir := range []string{"/usr/lib/debug/.build-id/", "/.build-id/", "/usr/lib/.build-id/"} {
			list = append(list, dir+id[:2]+"/"+id[2:])
		}
	}
	if path.IsAbs(m.Path) {
		list = append(list, path.Clean(m.Path))
	}
	for _, name := range []string{m.Name(), m.Soname} {
		if name == "" || name == "." || name == "/" || name == "[vdso]" {
			continue
		}
		for _, dir := range []string{"/lib/" + a.Triplet(), "/usr/lib/" + a.Triplet(), "/lib64", "/usr/lib64", "/lib", "/usr/lib"} {
			if file := path.Join(dir, path.Base(name)); !slices.Contains(list, file) {
				list = append(list, file)
			}
		}
	}
	return list
}

// take makes the file of a source the module's if it is that.
func (f *Files) take(p *Process, m *Module, s Source, name string) {
	file := name
	if s.Root != nil {
		file = filepath.Join(s.Root.Dir(), filepath.FromSlash(name))
	}
	key := s.Name + "\x00" + name
	if id, ok := f.others[key]; ok && m.BuildID != "" && id != m.BuildID {
		m.other(Other{s.Name, file, id})
		return
	}
	im, err := f.image(s, name, key)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && m.Problem == "" {
			m.Problem = err.Error()
		}
		return
	}
	if im.Arch != p.Core.Arch {
		return
	}
	switch {
	case m.BuildID != "" && im.BuildID == m.BuildID:
		m.Origin = SameBuildID
	case m.BuildID != "":
		m.other(Other{s.Name, file, im.BuildID})
	default:
		switch ok, same := p.fits(m, im); {
		case ok && same >= leastSame && s.Given:
			m.Origin = ByName
		case ok && same >= leastUnnamed:
			m.Origin = ByWords
		case s.Given:
			m.other(Other{s.Name, file, im.BuildID})
		}
	}
	if m.Origin == NoFile { // its memory is not kept
		f.others[key] = im.BuildID
		return
	}
	f.images[key] = im
	m.Image, m.Source, m.File = im, s.Name, file
}

// other notes a file that is not the module's, once where one folder leads to another.
func (m *Module) other(o Other) {
	if !slices.ContainsFunc(m.Others, func(k Other) bool { return k.Source == o.Source && k.BuildID == o.BuildID }) {
		m.Others = append(m.Others, o)
	}
}

// errManyFiles is that no more files are looked for.
var errManyFiles = fmt.Errorf("more than %d files were looked for", maxLooked)

// image reads and parses a file of a source, once if it is a module's.
func (f *Files) image(s Source, name, key string) (*loader.Image, error) {
	if im := f.images[key]; im != nil {
		return im, nil
	}
	if f.images == nil {
		f.images, f.others = map[string]*loader.Image{}, map[string]string{}
	}
	if f.looked++; f.looked > maxLooked {
		return nil, errManyFiles
	}
	if s.Root != nil {
		return loader.LoadImage(s.Root, name)
	}
	data, err := files.Read(name, loader.MaxFile)
	if err != nil {
		return nil, err
	}
	return loader.Parse(name, data)
}

// debug attaches a module's debugging information, of the first source that has it.
func (f *Files) debug(m *Module) {
	if m.Image.HasDebug() {
		m.Debug = true
		return
	}
	for _, s := range f.Sources {
		if s.Root == nil {
			continue
		}
		found, err := m.Image.LoadDebug(s.Root)
		if err != nil && m.Problem == "" {
			m.Problem = err.Error()
		}
		if found {
			m.Debug = true
			return
		}
	}
}
