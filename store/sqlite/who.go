package sqlite

import "context"

// author is a text of res.by or hist.by, which says who made a version. All
// versions of a batch mostly have the same, so it is kept once, in table who,
// with the number of versions that have it.
type author struct{ id, versions int64 }

// by returns the number of a text; the row is written by signed.
func (w *writer) by(ctx context.Context, text []byte) (any, error) {
	if len(text) == 0 {
		return nil, nil
	}
	if a := w.authors[string(text)]; a != nil {
		a.versions++
		return a.id, nil
	}
	if w.lastAuthor == 0 {
		w.learned = true
		if _, err := w.row(ctx, `SELECT coalesce(max(id), 0) FROM who`, nil, &w.lastAuthor); err != nil {
			return nil, err
		}
	}
	w.lastAuthor++
	w.authors[string(text)] = &author{w.lastAuthor, 1}
	return w.lastAuthor, nil
}

// signed writes the batch's authors.
func (w *writer) signed(ctx context.Context) error {
	for text, a := range w.authors {
		if _, err := w.exec(ctx, `INSERT INTO who (id, versions, val) VALUES (?, ?, ?)`, a.id, a.versions, []byte(text)); err != nil {
			return err
		}
	}
	clear(w.authors)
	return nil
}

// unsigned says that a version of this author is gone.
func (w *writer) unsigned(ctx context.Context, id int64) error {
	if err := w.signed(ctx); err != nil { // it may be one of this batch's
		return err
	}
	if _, err := w.exec(ctx, `UPDATE who SET versions = versions - 1 WHERE id = ?`, id); err != nil {
		return err
	}
	_, err := w.exec(ctx, `DELETE FROM who WHERE id = ? AND versions <= 0`, id)
	return err
}
