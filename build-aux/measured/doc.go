// Package measured is what the pages that are made by measuring have in common: on which machine
// it was, how long a time is in words, and the file of results from which a page is made. That
// file is kept beside the program that measures, so that a part can be measured anew and the
// rest stays as it was, and so that a test can tell whether page and results agree.
package measured
