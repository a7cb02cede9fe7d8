BEGIN TRANSACTION;
CREATE TABLE about (
	id VARCHAR(32) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "about" VALUES('e64ba6d3fb9349f885ea0e94ba10ae77');
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE audit (
	number INTEGER NOT NULL, 
	case_id VARCHAR(32) NOT NULL, 
	at VARCHAR(32) NOT NULL, 
	kept_at VARCHAR(32) NOT NULL, 
	"by" TEXT NOT NULL, 
	what VARCHAR(40) NOT NULL, 
	field VARCHAR(64) NOT NULL, 
	changed_from TEXT NOT NULL, 
	changed_to TEXT NOT NULL, 
	model TEXT NOT NULL, 
	weights_sha256 VARCHAR(64) NOT NULL, 
	version VARCHAR(40) NOT NULL, 
	content_sha256 VARCHAR(64) NOT NULL, 
	remark TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "audit" VALUES(1,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:01.000+00:00','2026-03-01T12:00:01.000+00:00','Dr. Weiß','keep','','{}','{}','','','0.3.0','263e633aff6dfb22f7ccaa0adcc3e2a8dc91385b8c288f9116342e4e42aca09c','','0000000000000000000000000000000000000000000000000000000000000000','a35328c33c6306a9c6f77fdef591e3ac17b13431605aafe5753ceefa9654937c');
INSERT INTO "audit" VALUES(2,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:01.000+00:00','2026-03-01T12:00:02.000+00:00','Dr. Weiß','reclassify','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc','{"3":"healthy, suggested"}','{"3":"neutrophil, confirmed"}','live','abababababababababababababababababababababababababababababababab','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','a35328c33c6306a9c6f77fdef591e3ac17b13431605aafe5753ceefa9654937c','3705ce4d3045e0742c62ca87d75aed60be88ff2442b94b8c251e72eda507a002');
INSERT INTO "audit" VALUES(3,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:02.000+00:00','2026-03-01T12:00:02.000+00:00','Dr. Weiß','remove','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc','{"4":"smudge, suggested"}','{"4":"smudge, removed"}','live','abababababababababababababababababababababababababababababababab','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','3705ce4d3045e0742c62ca87d75aed60be88ff2442b94b8c251e72eda507a002','42fcae463a7d637dc8d4ac1a14eaad5c0e624d4994114319df599878196974c4');
INSERT INTO "audit" VALUES(4,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:03.000+00:00','2026-03-01T12:00:02.000+00:00','Dr. Weiß','add','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc','{"5":"none"}','{"5":"blast, confirmed, 1.0 2.0 12.0 13.2"}','live','abababababababababababababababababababababababababababababababab','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','42fcae463a7d637dc8d4ac1a14eaad5c0e624d4994114319df599878196974c4','a681b940e879e853875fba0559316f6cbfa085eb304ff2df131129f99aa91d3c');
INSERT INTO "audit" VALUES(5,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:04.000+00:00','2026-03-01T12:00:02.000+00:00','Dr. Weiß','confirm above','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc','{"1":"blast, suggested","2":"blast, suggested"}','{"1":"blast, confirmed","2":"blast, confirmed"}','live','abababababababababababababababababababababababababababababababab','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','a681b940e879e853875fba0559316f6cbfa085eb304ff2df131129f99aa91d3c','9d479e0f0d8f503cfd30e85a77a1e1be4abc7016ba650ed60ba547cbd3e4d281');
INSERT INTO "audit" VALUES(6,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:05.000+00:00','2026-03-01T12:00:02.000+00:00','Dr. Weiß','undo: confirm above','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc','{"1":"blast, confirmed","2":"blast, confirmed"}','{"1":"blast, suggested","2":"blast, suggested"}','live','abababababababababababababababababababababababababababababababab','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','9d479e0f0d8f503cfd30e85a77a1e1be4abc7016ba650ed60ba547cbd3e4d281','5b350dd6f5019327878aa798a56d88b7cc8daf7f14b5e166081d5e4714f9a3a5');
INSERT INTO "audit" VALUES(7,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:06.000+00:00','2026-03-01T12:00:02.000+00:00','Dr. Weiß','redo: confirm above','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc','{"1":"blast, suggested","2":"blast, suggested"}','{"1":"blast, confirmed","2":"blast, confirmed"}','live','abababababababababababababababababababababababababababababababab','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','5b350dd6f5019327878aa798a56d88b7cc8daf7f14b5e166081d5e4714f9a3a5','c83009507d0731c1ec5de0a4294c12f68a2fdc43a37305b678416758d92df587');
INSERT INTO "audit" VALUES(8,'e70a2755e13a4b39b8f30b8724599ecb','2026-03-01T12:00:03.000+00:00','2026-03-01T12:00:03.000+00:00','Dr. Weiß','sign','','{}','{"printed name":"Dr. Ada Weiß","meaning":"Reviewed","version":1}','','','0.3.0','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1','','c83009507d0731c1ec5de0a4294c12f68a2fdc43a37305b678416758d92df587','f19097d5d453b45affacd1a7098eca8a22bf4aa8b995a2a09ad716ce4e597529');
CREATE TABLE cases (
	id VARCHAR(32) NOT NULL, 
	label TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	created_at VARCHAR(32) NOT NULL, 
	changed_at VARCHAR(32) NOT NULL, 
	changed_by TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	own_labels TEXT NOT NULL, 
	undoable TEXT NOT NULL, 
	redoable TEXT NOT NULL, 
	content_sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "cases" VALUES('e70a2755e13a4b39b8f30b8724599ecb','Case of the dump','','2026-03-01T12:00:01.000+00:00','2026-03-01T12:00:03.000+00:00','Dr. Weiß',3,'[{"name":"lymphocyte","title":"Lymphocyte","plural":"lymphocytes","key":"L","role":"white cell","colour":[119,221,255],"line":"solid","own":true},{"name":"neutrophil","title":"Neutrophil","plural":"neutrophils","key":"G","role":"white cell","colour":[68,187,153],"line":"solid","own":true},{"name":"monocyte","title":"Monocyte","plural":"monocytes","key":"M","role":"white cell","colour":[187,204,51],"line":"solid","own":true},{"name":"eosinophil","title":"Eosinophil","plural":"eosinophils","key":"E","role":"white cell","colour":[238,136,102],"line":"solid","own":true},{"name":"basophil","title":"Basophil","plural":"basophils","key":"A","role":"white cell","colour":[153,221,255],"line":"solid","own":true},{"name":"erythroblast","title":"Erythroblast","plural":"erythroblasts","key":"R","role":"other","colour":[255,170,187],"line":"solid","own":true},{"name":"prolymphocyte","title":"Prolymphocyte","plural":"prolymphocytes","key":"P","role":"white cell","colour":[221,204,119],"line":"solid","own":true}]','[0, 1, 2, 3]','[]','dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1');
CREATE TABLE cells (
	case_id VARCHAR(32) NOT NULL, 
	field VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	x1 DOUBLE NOT NULL, 
	y1 DOUBLE NOT NULL, 
	x2 DOUBLE NOT NULL, 
	y2 DOUBLE NOT NULL, 
	label TEXT NOT NULL, 
	suggested TEXT, 
	confidence DOUBLE, 
	state VARCHAR(16) NOT NULL, 
	PRIMARY KEY (case_id, field, number), 
	FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
INSERT INTO "cells" VALUES('e70a2755e13a4b39b8f30b8724599ecb','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc',3,60.0,10.0,75.0,30.0,'neutrophil','healthy',0.7,'confirmed');
INSERT INTO "cells" VALUES('e70a2755e13a4b39b8f30b8724599ecb','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc',4,80.0,10.0,95.0,30.0,'smudge','smudge',0.6,'removed');
INSERT INTO "cells" VALUES('e70a2755e13a4b39b8f30b8724599ecb','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc',5,1.0,2.0,12.0,13.25,'blast',NULL,NULL,'confirmed');
INSERT INTO "cells" VALUES('e70a2755e13a4b39b8f30b8724599ecb','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc',1,20.0,10.0,35.0,30.0,'blast','blast',0.9,'confirmed');
INSERT INTO "cells" VALUES('e70a2755e13a4b39b8f30b8724599ecb','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc',2,40.0,10.0,55.0,30.0,'blast','blast',0.8,'confirmed');
CREATE TABLE doomed_pictures (
	sha256 VARCHAR(64) NOT NULL, 
	PRIMARY KEY (sha256)
);
CREATE TABLE edits (
	case_id VARCHAR(32) NOT NULL, 
	place INTEGER NOT NULL, 
	edit TEXT NOT NULL, 
	PRIMARY KEY (case_id, place), 
	FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
INSERT INTO "edits" VALUES('e70a2755e13a4b39b8f30b8724599ecb',0,'{"kind":"reclassify","by":"Dr. Weiß","at":"2026-03-01T12:00:01Z","cells":[{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":3,"xyxy":[60.0,10.0,75.0,30.0],"label":"healthy","suggested":"healthy","confidence":0.7,"state":"suggested"},"after":{"number":3,"xyxy":[60.0,10.0,75.0,30.0],"label":"neutrophil","suggested":"healthy","confidence":0.7,"state":"confirmed"}}],"fields":[],"of":null}');
INSERT INTO "edits" VALUES('e70a2755e13a4b39b8f30b8724599ecb',1,'{"kind":"remove","by":"Dr. Weiß","at":"2026-03-01T12:00:02Z","cells":[{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":4,"xyxy":[80.0,10.0,95.0,30.0],"label":"smudge","suggested":"smudge","confidence":0.6,"state":"suggested"},"after":{"number":4,"xyxy":[80.0,10.0,95.0,30.0],"label":"smudge","suggested":"smudge","confidence":0.6,"state":"removed"}}],"fields":[],"of":null}');
INSERT INTO "edits" VALUES('e70a2755e13a4b39b8f30b8724599ecb',2,'{"kind":"add","by":"Dr. Weiß","at":"2026-03-01T12:00:03Z","cells":[{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":null,"after":{"number":5,"xyxy":[1.0,2.0,12.0,13.25],"label":"blast","suggested":null,"confidence":null,"state":"confirmed"}}],"fields":[],"of":null}');
INSERT INTO "edits" VALUES('e70a2755e13a4b39b8f30b8724599ecb',3,'{"kind":"confirm above","by":"Dr. Weiß","at":"2026-03-01T12:00:04Z","cells":[{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"suggested"},"after":{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"confirmed"}},{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"suggested"},"after":{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"confirmed"}}],"fields":[],"of":null}');
INSERT INTO "edits" VALUES('e70a2755e13a4b39b8f30b8724599ecb',4,'{"kind":"undo","by":"Dr. Weiß","at":"2026-03-01T12:00:05Z","cells":[{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"confirmed"},"after":{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"suggested"}},{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"confirmed"},"after":{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"suggested"}}],"fields":[],"of":3}');
INSERT INTO "edits" VALUES('e70a2755e13a4b39b8f30b8724599ecb',5,'{"kind":"redo","by":"Dr. Weiß","at":"2026-03-01T12:00:06Z","cells":[{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"suggested"},"after":{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"confirmed"}},{"field":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","before":{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"suggested"},"after":{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"confirmed"}}],"fields":[],"of":3}');
CREATE TABLE fields (
	case_id VARCHAR(32) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	place INTEGER NOT NULL, 
	facts TEXT NOT NULL, 
	PRIMARY KEY (case_id, sha256), 
	FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
INSERT INTO "fields" VALUES('e70a2755e13a4b39b8f30b8724599ecb','a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc',0,'{"sha256":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","width_px":64,"height_px":48,"title":"Field a","origin":{"model":"live","weights_sha256":"abababababababababababababababababababababababababababababababab","threshold":0.35,"overlap":0.5,"analysed_at":"2026-03-01T12:00:00Z","version":"0.3.0","runtime":"ONNX Runtime","red_cell_px":40.0,"um_per_px":null},"cells":[],"left_out":"","withheld":"","insisted":false,"cautions":[]}');
CREATE TABLE people (
	case_id VARCHAR(32) NOT NULL, 
	person TEXT NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	PRIMARY KEY (case_id, person), 
	FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
CREATE TABLE signatures (
	case_id VARCHAR(32) NOT NULL, 
	place INTEGER NOT NULL, 
	signature TEXT NOT NULL, 
	content TEXT NOT NULL, 
	PRIMARY KEY (case_id, place), 
	FOREIGN KEY(case_id) REFERENCES cases (id) ON DELETE CASCADE
);
INSERT INTO "signatures" VALUES('e70a2755e13a4b39b8f30b8724599ecb',0,'{"printed_name":"Dr. Ada Weiß","meaning":"Reviewed","at":"2026-03-01T12:00:03Z","version":1,"content_sha256":"dbc8bcb5901a3ad45f1b414318a996eff3be965b2ccf129528d5d1b463dd3fb1","by":"Dr. Weiß"}','{"labels":{"own":[{"name":"lymphocyte","title":"Lymphocyte","plural":"lymphocytes","key":"L","role":"white cell","colour":[119,221,255],"line":"solid","own":true},{"name":"neutrophil","title":"Neutrophil","plural":"neutrophils","key":"G","role":"white cell","colour":[68,187,153],"line":"solid","own":true},{"name":"monocyte","title":"Monocyte","plural":"monocytes","key":"M","role":"white cell","colour":[187,204,51],"line":"solid","own":true},{"name":"eosinophil","title":"Eosinophil","plural":"eosinophils","key":"E","role":"white cell","colour":[238,136,102],"line":"solid","own":true},{"name":"basophil","title":"Basophil","plural":"basophils","key":"A","role":"white cell","colour":[153,221,255],"line":"solid","own":true},{"name":"erythroblast","title":"Erythroblast","plural":"erythroblasts","key":"R","role":"other","colour":[255,170,187],"line":"solid","own":true},{"name":"prolymphocyte","title":"Prolymphocyte","plural":"prolymphocytes","key":"P","role":"white cell","colour":[221,204,119],"line":"solid","own":true}]},"fields":[{"sha256":"a77a67706fad13f5417c3142174b7aa029a3770b4d86b3018f6c28bd5baa5ffc","width_px":64,"height_px":48,"title":"Field a","origin":{"model":"live","weights_sha256":"abababababababababababababababababababababababababababababababab","threshold":0.35,"overlap":0.5,"analysed_at":"2026-03-01T12:00:00Z","version":"0.3.0","runtime":"ONNX Runtime","red_cell_px":40.0,"um_per_px":null},"cells":[{"number":1,"xyxy":[20.0,10.0,35.0,30.0],"label":"blast","suggested":"blast","confidence":0.9,"state":"confirmed"},{"number":2,"xyxy":[40.0,10.0,55.0,30.0],"label":"blast","suggested":"blast","confidence":0.8,"state":"confirmed"},{"number":3,"xyxy":[60.0,10.0,75.0,30.0],"label":"neutrophil","suggested":"healthy","confidence":0.7,"state":"confirmed"},{"number":4,"xyxy":[80.0,10.0,95.0,30.0],"label":"smudge","suggested":"smudge","confidence":0.6,"state":"removed"},{"number":5,"xyxy":[1.0,2.0,12.0,13.25],"label":"blast","suggested":null,"confidence":null,"state":"confirmed"}],"left_out":"","withheld":"","insisted":false,"cautions":[]}]}');
CREATE INDEX ix_audit_case_id ON audit (case_id);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER signatures_no_update BEFORE UPDATE ON signatures BEGIN SELECT RAISE(ABORT, 'signatures is append-only'); END;
CREATE TRIGGER edits_no_update BEFORE UPDATE ON edits BEGIN SELECT RAISE(ABORT, 'edits is append-only'); END;
CREATE TRIGGER audit_no_replace BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE number = NEW.number) BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
COMMIT;
